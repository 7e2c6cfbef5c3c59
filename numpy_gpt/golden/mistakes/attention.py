"""What ports get wrong in attention's scores, mask, softmax and values (§8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.attention import ATTENTION, used_weights
from numpy_gpt.golden.operations.linear import transposed
from numpy_gpt.golden.operations.operation import Rule, Value
from numpy_gpt.golden.operations.softmax import softmax_over

# Scores and scale.


def _scale(identifier: str, sentence: str, factor: Callable[[Any], float]) -> None:
    ATTENTION.mistake(
        identifier,
        sentence,
        "8.3",
        {
            "scaled": lambda s: s.o.scale(s["scores"], factor(s.config)),
            "dscores": lambda s: s.o.scale(s["dscaled"], factor(s.config)),
        },
    )


_scale(
    "attention.scale_width",
    "scores scaled by 1/√C, the width, not by 1/√D, the head size",
    lambda c: 1 / math.sqrt(c.n_embd),
)
_scale("attention.no_scale", "scores are not scaled by 1/√D", lambda c: 1.0)
_scale("attention.scale_twice", "scores are scaled by 1/√D twice", lambda c: 1 / c.head_size)
_scale("attention.scale_up", "scores are multiplied by √D, not divided", lambda c: math.sqrt(c.head_size))
_scale("attention.scale_heads", "scores scaled by 1/√H, the number of heads", lambda c: 1 / math.sqrt(c.n_head))
ATTENTION.mistake(
    "attention.scores_transposed",
    "the scores are transposed: k qᵀ, not q kᵀ",
    "8.2",
    {"scores": lambda s: s.o.matmul(s["k"], s.o.shaped(s["q"], transposed))},
)

# The mask.


def _cut(offset: int, instead: float = -np.inf) -> Rule:
    def rule(s: Any) -> Value:
        time = s.tokens.shape[1]
        return s.o.hide(s["scaled"], np.tri(time, time, offset, dtype=np.bool_), instead)

    return rule


ATTENTION.mistake(
    "attention.mask_late",
    "the mask is off by one: a position sees the next one too",
    "8.4",
    {"masked": _cut(1)},
)


def _guarded(s: Any) -> Value:
    """Return the exponentials, 0 in a row without any allowed score."""
    return s.o.smooth(lambda a: np.nan_to_num(np.exp(a - a.max(-1, keepdims=True))), s["masked"])


ATTENTION.mistake(
    "attention.mask_early",
    "the mask is off by one: a position does not see itself",
    "8.4",
    {
        "masked": _cut(-1),
        "softmax.exponentials": _guarded,
        "softmax.sum": lambda s: s.o.total(s["softmax.exponentials"], -1),
        "weights": lambda s: _zero_where_empty(s),
    },
)
ATTENTION.mistake(
    "attention.mask_early",
    "the mask is off by one: a position does not see itself",
    "8.4",
    {"masked": _cut(-1)},
)
ATTENTION.mistake(
    "attention.no_mask",
    "the mask is missing: positions see the future",
    "8.4",
    {"masked": lambda s: s.o.scale(s["scaled"], 1.0)},
)
ATTENTION.mistake(
    "attention.mask_transposed",
    "the mask is transposed: positions see only the future",
    "8.4",
    {"masked": lambda s: s.o.hide(s["scaled"], np.tri(s.tokens.shape[1], dtype=np.bool_).T)},
)


def _lowered(constant: float) -> Rule:
    """Return a rule that adds a number to the future's scores."""

    def rule(s: Any) -> Value:
        time = s.tokens.shape[1]
        future = np.where(np.tri(time, time, dtype=np.bool_), 0.0, constant)
        return s.o.smooth(lambda a: a + future, s["scaled"], roundings=4)

    return rule


def _own_constant(s: Any, added: bool) -> Value:
    """Take the number that the port itself has in the future."""
    time = s.tokens.shape[1]
    past = np.tri(time, time, dtype=np.bool_)
    future = s.own("masked")[..., ~past]
    s.require(future.size > 0 and bool(np.isfinite(future).all()))
    if not added:
        s.require(float(np.ptp(future)) == 0)
        return s.o.hide(s["scaled"], past, float(np.median(future)))
    constant = float(np.median(future - s.evaluation.value_of(s["scaled"])[..., ~past]))
    s.require(constant < -1)
    return s.o.smooth(lambda a: np.where(past, a, a + constant), s["scaled"], roundings=4)


for _added in (False, True):
    ATTENTION.mistake(
        "attention.mask_finite",
        "the mask is a finite number, not −inf: where scores are low, the future has weight",
        "8.4",
        {"masked": lambda s, added=_added: _own_constant(s, added)},
    )
_LOW = (-1.0, -2.0, -5.0, -10.0, -20.0, -50.0, -100.0, -1e3, -1e4, -65504.0, -1e5, -1e8, -1e9, -1e10, -1e30)
for _constant in (*_LOW, float(np.finfo(np.float32).min)):
    for _rule in (_cut(0, _constant), _lowered(_constant)):
        ATTENTION.mistake(
            "attention.mask_finite",
            "the mask is a finite number, not −inf: where scores are low, the future has weight",
            "8.4",
            {"masked": _rule},
        )
ATTENTION.mistake(
    "attention.mask_zero",
    "masked scores are set to 0, not to −inf",
    "8.4",
    {"masked": _cut(0, 0.0)},
)
_AFTER = {"weights": lambda s: s.o.smooth(lambda a: np.tril(softmax_over(a, -1)), s["scaled"])}
for _rules in ({"masked": lambda s: s.o.scale(s["scaled"], 1.0), **_AFTER}, _AFTER):
    ATTENTION.mistake(
        "attention.mask_after",
        "the mask is applied after the softmax, so that a row's weights do not sum to 1",
        "8.5",
        _rules,
    )


def _divided_by_sum(e: Any, axis: int) -> Any:
    total = e.sum(axis, keepdims=True)
    return e / np.where(total > 0, total, 1.0)


for _name, _words, _axis in (("queries", "the queries", -2), ("heads", "the heads", 1)):

    def _exponentials(s: Any, axis: int = _axis) -> Value:
        return s.o.smooth(lambda a: np.nan_to_num(np.exp(a - a.max(axis, keepdims=True))), s["masked"])

    def _divided(s: Any, axis: int = _axis) -> Value:
        if s.touched("softmax.exponentials"):
            return s.o.smooth(lambda e: _divided_by_sum(e, axis), s["softmax.exponentials"])
        return s.o.smooth(lambda a: softmax_over(a, axis), s["masked"])

    def _sum_over(p: Any, dp: Any, axis: int = _axis) -> Any:
        return p * (dp - (p * np.where(p > 0, dp, 0.0)).sum(axis, keepdims=True))

    ATTENTION.mistake(
        f"attention.softmax_{_name}",
        f"the softmax runs over {_words}, not over the keys",
        "8.5",
        {
            "softmax.exponentials": _exponentials,
            "weights": _divided,
            "dmasked": lambda s, f=_sum_over: s.o.smooth(f, s["weights"], s["dweights"]),
        },
    )


def _zero_where_empty(s: Any) -> Value:
    return s.o.smooth(lambda a: softmax_over(a, -1), s["masked"])


# Values.

ATTENTION.mistake(
    "attention.weights_transposed",
    "the values are weighted with the transposed weights",
    "8.6",
    {"heads": lambda s: s.o.matmul(s.o.shaped(used_weights(s), transposed), s["v"])},
)
ATTENTION.mistake(
    "attention.merged_unmoved",
    "(B, H, T, D) is taken for (B, T, C) without swapping the axes of heads and positions",
    "8.7",
    {
        "merged": lambda s: s.o.shaped(s["heads"], lambda a: a.reshape(a.shape[0], a.shape[2], -1)),
        "dheads": lambda s: s.o.shaped(s["dmerged"], lambda a: a.reshape(a.shape[0], s.config.n_head, a.shape[1], -1)),
    },
)
ATTENTION.mistake(
    "attention.merged_size_first",
    "the heads are merged channel by channel, as (D, H): they lie side by side, as (H, D)",
    "8.7",
    {
        "merged": lambda s: s.o.shaped(
            s["heads"], lambda a: a.transpose(0, 2, 3, 1).reshape(a.shape[0], a.shape[2], -1)
        ),
        "dheads": lambda s: s.o.shaped(
            s["dmerged"], lambda a: a.reshape(*a.shape[:2], -1, s.config.n_head).transpose(0, 3, 1, 2)
        ),
    },
)
ATTENTION.mistake(
    "attention.no_projection",
    "c_proj is forgotten: the merged heads go to the residual stream",
    "8.8",
    {"out": lambda s: s.o.scale(s["merged"], 1.0), "dmerged": lambda s: s.o.scale(s["dout"], 1.0)},
)
