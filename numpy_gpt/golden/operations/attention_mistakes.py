"""What ports get wrong in attention (§8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.attention import (
    ATTENTION,
    dused,
    merge,
    recomputed,
    used_weights,
)
from numpy_gpt.golden.operations.linear import transposed
from numpy_gpt.golden.operations.operation import Rule, Value
from numpy_gpt.golden.operations.softmax import softmax_over

# The split of (8.1).


def _split(part: int, pick: Callable[[Any, int, int], Any]) -> Rule:
    """Return a rule for q, k or v; ``pick`` gets qkv (B, T, 3C), n_head and the part, and returns (B, H, T, D)."""
    return lambda s: s.o.shaped(s["qkv"], lambda a: pick(a, s.config.n_head, part))


def _pack(unpick: Callable[[list[Any], int], Any]) -> Rule:
    """Return a rule for dqkv from the three gradients."""

    def rule(s: Any) -> Value:
        parts = [s[key] for key in ("dq", "dk", "dv")]
        stacked = s.o.concatenate([s.o.shaped(part, lambda a: a[None]) for part in parts], 0)
        return s.o.shaped(stacked, lambda a: unpick(list(a), s.config.n_head))

    return rule


def _layout(pick: Callable[[Any, int, int], Any], unpick: Callable[[list[Any], int], Any]) -> dict[str, Rule]:
    return {**{key: _split(part, pick) for part, key in enumerate("qkv")}, "dqkv": _pack(unpick)}


def _interleaved(a: Any, n_head: int, part: int) -> Any:
    return a.reshape(*a.shape[:2], n_head, 3, -1)[:, :, :, part].swapaxes(1, 2)


def _interleave(parts: list[Any], n_head: int) -> Any:
    stacked = np.stack([part.swapaxes(1, 2) for part in parts], 3)  # (B, T, H, 3, D)
    return stacked.reshape(*stacked.shape[:2], -1)


def _innermost(a: Any, n_head: int, part: int) -> Any:
    return a.reshape(*a.shape[:2], n_head, -1, 3)[..., part].swapaxes(1, 2)


def _put_innermost(parts: list[Any], n_head: int) -> Any:
    stacked = np.stack([part.swapaxes(1, 2) for part in parts], -1)  # (B, T, H, D, 3)
    return stacked.reshape(*stacked.shape[:2], -1)


def _size_first(a: Any, n_head: int, part: int) -> Any:
    width = a.shape[-1] // 3
    columns = a[..., part * width : (part + 1) * width]
    return columns.reshape(*a.shape[:2], -1, n_head).transpose(0, 3, 1, 2)  # (B, T, D, H) → (B, H, T, D)


def _put_size_first(parts: list[Any], n_head: int) -> Any:
    flat = [part.transpose(0, 2, 3, 1).reshape(part.shape[0], part.shape[2], -1) for part in parts]
    return np.concatenate(flat, -1)


def _unmoved(a: Any, n_head: int, part: int) -> Any:
    width = a.shape[-1] // 3
    columns = np.ascontiguousarray(a[..., part * width : (part + 1) * width])
    return columns.reshape(a.shape[0], n_head, a.shape[1], -1)


def _put_unmoved(parts: list[Any], n_head: int) -> Any:
    return np.concatenate([part.reshape(part.shape[0], part.shape[2], -1) for part in parts], -1)


ATTENTION.mistake(
    "attention.interleaved",
    "q, k and v are taken head by head, as (H, 3, D): the columns are all of q, all of k, all of v, as (3, H, D)",
    "8.1",
    _layout(_interleaved, _interleave),
)
ATTENTION.mistake(
    "attention.innermost",
    "q, k and v alternate from column to column, as (H, D, 3): the columns are all of q, all of k, all of v",
    "8.1",
    _layout(_innermost, _put_innermost),
)
ATTENTION.mistake(
    "attention.size_first",
    "a head's channels are taken with a stride, as (D, H): they lie together, as (H, D)",
    "8.1",
    _layout(_size_first, _put_size_first),
)
ATTENTION.mistake(
    "attention.unmoved",
    "(B, T, C) is taken for (B, H, T, D) without swapping the axes of positions and heads",
    "8.1",
    _layout(_unmoved, _put_unmoved),
)
for _order in list(permutations(range(3)))[1:]:
    _names = "".join("qkv"[place] for place in _order)

    def _reordered(a: Any, n_head: int, part: int, order: tuple[int, ...] = _order) -> Any:
        width = a.shape[-1] // 3
        place = order.index(part)
        columns = a[..., place * width : (place + 1) * width]
        return columns.reshape(*a.shape[:2], n_head, -1).swapaxes(1, 2)

    def _put_reordered(parts: list[Any], n_head: int, order: tuple[int, ...] = _order) -> Any:
        return np.concatenate([merge(parts[place]) for place in order], -1)

    ATTENTION.mistake(
        f"attention.order_{_names}",
        f"the columns of c_attn are taken as {', '.join(_names)}: they are q, k, v",
        "8.1",
        _layout(_reordered, _put_reordered),
    )
ATTENTION.mistake(
    "attention.unnormed",
    "attention reads the residual stream itself: the norm before it (ln_1) is forgotten",
    "10.1",
    {"qkv": lambda s: s.o.linear(s["stream"], s["c_attn.weight"], s.get("c_attn.bias"))},
)
for _index, _part in enumerate("qkv"):

    def _partly_biased(s: Any, part: int = _index) -> Value:
        bias = s.get("c_attn.bias")
        s.require(bias is not None)
        width = s.config.n_embd
        keep = (np.arange(3 * width) // width != part).astype(float)
        return s.o.linear(s["x"], s["c_attn.weight"], s.o.multiply(bias, s.o.exact(keep, s.evaluation.dtype)))

    ATTENTION.mistake(f"attention.no_{_part}_bias", f"the bias of {_part} is forgotten", "8.1", {"qkv": _partly_biased})

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
for _constant in (
    -10.0,
    -50.0,
    -100.0,
    -1e3,
    -1e4,
    -65504.0,
    -1e5,
    -1e8,
    -1e9,
    -1e10,
    -1e30,
    float(np.finfo(np.float32).min),
):
    ATTENTION.mistake(
        "attention.mask_finite",
        "the mask is a finite number, not −inf: where scores are low, the future has weight",
        "8.4",
        {"masked": _cut(0, _constant)},
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

# Backward.

ATTENTION.mistake(
    "attention.dk_transposed",
    "dk is dscores q: dscores is not transposed",
    "8.16",
    {"dk": lambda s: s.o.matmul(s["dscores"], s["q"])},
)
ATTENTION.mistake(
    "attention.dq_transposed",
    "dq takes the transposed dscores",
    "8.15",
    {"dq": lambda s: s.o.matmul(s.o.shaped(s["dscores"], transposed), s["k"])},
)
ATTENTION.mistake(
    "attention.dq_of_q",
    "dq is dscores q: it needs the keys",
    "8.15",
    {"dq": lambda s: s.o.matmul(s["dscores"], s["q"])},
)
ATTENTION.mistake(
    "attention.dk_of_k",
    "dk is dscoresᵀ k: it needs the queries",
    "8.16",
    {"dk": lambda s: s.o.matmul(s.o.shaped(s["dscores"], transposed), s["k"])},
)
ATTENTION.mistake(
    "attention.dv_transposed",
    "dv takes the weights, not their transpose",
    "8.12",
    {"dv": lambda s: s.o.matmul(used_weights(s), s["dheads"])},
)
ATTENTION.mistake(
    "attention.dscale_missing",
    "the gradient of the scores is not scaled by 1/√D",
    "8.14",
    {"dscores": lambda s: s.o.scale(s["dscaled"], 1.0)},
)
ATTENTION.mistake(
    "attention.dscale_one_side",
    "only one of dq and dk is scaled by 1/√D",
    "8.14",
    {"dk": lambda s: s.o.scale(s.right("dk"), math.sqrt(s.config.head_size))},
)
ATTENTION.mistake(
    "attention.dscale_one_side",
    "only one of dq and dk is scaled by 1/√D",
    "8.14",
    {"dq": lambda s: s.o.scale(s.right("dq"), math.sqrt(s.config.head_size))},
)


def _softmax_backward(identifier: str, sentence: str, formula: Callable[[Any, Any], Any]) -> None:
    for masks in (True, False):

        def rule(s: Any, masks: bool = masks) -> Value:
            weights = recomputed(s, s["weights"])
            return s.o.smooth(
                lambda p, dp: np.where((p > 0) | (not masks), formula(p, dp), 0.0), weights, s["dweights"]
            )

        ATTENTION.mistake(identifier, sentence, "8.13", {"dmasked": rule})


def _dot(p: Any, dp: Any) -> Any:
    return (p * np.where(p > 0, dp, 0.0)).sum(-1, keepdims=True)


_softmax_backward("attention.dsoftmax_no_sum", "the softmax's backward lacks its sum: p·dp only", lambda p, dp: p * dp)
_softmax_backward(
    "attention.dsoftmax_no_p",
    "the softmax's backward does not multiply by the weights: dp − Σ p·dp only",
    lambda p, dp: dp - _dot(p, dp),
)
_softmax_backward(
    "attention.dsoftmax_sum_of_dp",
    "the softmax's backward subtracts Σ dp, not Σ p·dp",
    lambda p, dp: p * (dp - np.where(p > 0, dp, 0.0).sum(-1, keepdims=True)),
)
_softmax_backward(
    "attention.dsoftmax_mean",
    "the softmax's backward subtracts the mean of dp, not Σ p·dp",
    lambda p, dp: p * (dp - np.where(p > 0, dp, 0.0).mean(-1, keepdims=True)),
)
_softmax_backward(
    "attention.dsoftmax_diagonal",
    "the softmax's backward is that of a sigmoid: p·(1 − p)·dp",
    lambda p, dp: p * (1 - p) * dp,
)
_softmax_backward(
    "attention.dsoftmax_sign",
    "the softmax's backward adds its sum, where it should subtract",
    lambda p, dp: p * (dp + _dot(p, dp)),
)
_softmax_backward(
    "attention.dsoftmax_unweighted_sum",
    "the softmax's backward does not multiply its sum by the weights: p·dp − Σ p·dp",
    lambda p, dp: p * dp - _dot(p, dp),
)
ATTENTION.mistake(
    "attention.dsoftmax_skipped",
    "the softmax's backward is skipped",
    "8.13",
    {"dmasked": lambda s: s.o.smooth(lambda p, dp: np.where(p > 0, dp, 0.0), s["weights"], s["dweights"])},
)
ATTENTION.mistake(
    "attention.dsoftmax_queries",
    "the softmax's backward sums over the queries, not over the keys",
    "8.13",
    {
        "dmasked": lambda s: s.o.smooth(
            lambda p, dp: p * (dp - (p * np.where(p > 0, dp, 0.0)).sum(-2, keepdims=True)), s["weights"], s["dweights"]
        )
    },
)


def _unmasked(s: Any) -> Value:
    """Return dscores with the future's part of the weights' gradient, as if no mask had been there."""
    time = s.tokens.shape[1]
    past = np.tri(time, time, dtype=np.bool_)
    scale = 1 / math.sqrt(s.config.head_size)
    return s.o.smooth(lambda d, lost: np.where(past, d, scale * lost), s["dscores"], dused(s))


ATTENTION.mistake(
    "attention.dmask_lost",
    "gradients flow to the future: the scores' gradient is not masked",
    "8.19",
    {
        "dq": lambda s: s.o.matmul(_unmasked(s), s["k"]),
        "dk": lambda s: s.o.matmul(s.o.shaped(_unmasked(s), transposed), s["q"]),
    },
)
for _key in ("dq", "dk", "dv"):

    def _without(parts: list[Any], n_head: int, lost: str = _key) -> Any:
        return np.concatenate(
            [merge(part) * (key != lost) for key, part in zip(("dq", "dk", "dv"), parts, strict=True)], -1
        )

    ATTENTION.mistake(
        f"attention.{_key}_lost",
        f"{_key} is not passed back: its columns of dqkv are 0",
        "8.17",
        {"dqkv": _pack(_without)},
    )


def _dropped_after(s: Any) -> Value:
    mask = s.mask("weights_dropout")
    s.require(mask is not None)
    return s.o.scale(s["dweights_dropout"], 1.0)


ATTENTION.mistake(
    "attention.ddropout_lost",
    "the dropout of the weights is not undone in the backward pass",
    "7.2",
    {"dweights": _dropped_after},
)
