"""RMSNorm (§19), forward and backward, in a block and after the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.linear import rows, transposed
from numpy_gpt.golden.operations.norm import epsilon_sentence
from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value

RMS_NORM = Operation("rms_norm")
EMBEDDING_NORM = Operation("embedding_norm")
"""The same after the embeddings, where it also adds the two parts of the stream's gradient."""


def _column(s: Any, key: str) -> Value:
    return s.o.shaped(s[key], lambda a: a[..., None])


def _parts(s: Any) -> Any:
    return s.o.rms_norm(s["x"], s.config.layer_norm_epsilon)


def _flat(a: Any) -> Any:
    return a[..., 0]


@EMBEDDING_NORM.array("mean_square", "B,T", "19.1")
@RMS_NORM.array("mean_square", "B,T", "19.1")
def mean_square(s: Any) -> Value:
    """Average the squares."""
    return s.o.shaped(_parts(s).mean_square, _flat)


@EMBEDDING_NORM.array("rrms", "B,T", "19.2")
@RMS_NORM.array("rrms", "B,T", "19.2")
def rrms(s: Any) -> Value:
    """Take the reciprocal of the root of the mean square."""
    if not s.touched("mean_square"):
        return s.o.shaped(_parts(s).rrms, _flat)
    return _reciprocal(s, s.o.root(s.o.shift(s["mean_square"], s.config.layer_norm_epsilon)))


@EMBEDDING_NORM.array("out", "B,T,C", "19.3")
@RMS_NORM.array("out", "B,T,C", "19.3")
def out(s: Any) -> Value:
    """Scale to a mean square of 1."""
    return s.o.multiply(s["x"], _column(s, "rrms")) if s.touched("mean_square", "rrms") else _parts(s).normalized


# Backward; in a block, dout is computed by what follows the norm.


@EMBEDDING_NORM.array("dout", "B,T,C", "10.4", BACKWARD)
def dout(s: Any) -> Value:
    """Add what came through the first block's norm and around it."""
    return s.o.add(s["dnorm"], s["dbypass"])


@EMBEDDING_NORM.array("dx", "B,T,C", "19.4", BACKWARD)
@RMS_NORM.array("dx", "B,T,C", "19.4", BACKWARD)
def dx(s: Any) -> Value:
    """Undo the normalization at once."""
    return s.o.rms_norm_backward(s["dout"], s["out"], _column(s, "rrms"))


def _reciprocal(s: Any, value: Value) -> Value:
    return s.o.smooth(lambda a: 1 / a, value, roundings=1)


# Mistakes. Where one changes how the result depends on x, so does its gradient, which a port by autograd has.


def _mistake(
    identifier: str,
    sentence: str,
    equation: str,
    rules: dict[str, Callable[[Any], Value]] | None = None,
    **options: Any,
) -> None:
    for operation in (RMS_NORM, EMBEDDING_NORM):
        operation.mistake(f"rms_norm.{identifier}", sentence, equation, rules, **options)


def _changed(scale: Callable[[Any, float], Any]) -> dict[str, Callable[[Any], Value]]:
    """Return the rules of a norm x·scale(x, ε), and of its gradient by complex steps (Squire & Trapp 1998)."""

    def gradient(x: Any, g: Any, epsilon: float) -> Any:
        tiny, columns = 1e-30, []
        for channel in range(x.shape[-1]):
            moved = x.astype(complex)
            moved[..., channel] += 1j * tiny
            columns.append(((moved * scale(moved, epsilon)).imag / tiny * g).sum(-1))
        return np.stack(columns, -1)

    def rule(s: Any) -> Value:
        epsilon = s.config.layer_norm_epsilon
        return s.o.smooth(lambda x: scale(x, epsilon)[..., 0], s["x"], roundings=s.config.n_embd + 8)

    def dx_rule(s: Any) -> Value:
        epsilon = s.config.layer_norm_epsilon
        return s.o.smooth(lambda x, g: gradient(x, g, epsilon), s["x"], s["dout"], roundings=s.config.n_embd + 8)

    return {"rrms": rule, "dx": dx_rule}


def _mean_square(x: Any) -> Any:
    return (x * x).mean(-1, keepdims=True)


for _epsilon in (0.0, 1e-12, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3):

    def _with_epsilon(s: Any, epsilon: float = _epsilon) -> Value:
        s.require(epsilon != s.config.layer_norm_epsilon)
        return _reciprocal(s, s.o.root(s.o.shift(s["mean_square"], epsilon)))

    _mistake("epsilon", epsilon_sentence("RMSNorm", _epsilon), "19.2", {"rrms": _with_epsilon})

_mistake(
    "epsilon_outside",
    "ε is added outside the root: 1/(√mean_square + ε)",
    "19.2",
    {"rrms": lambda s: _reciprocal(s, s.o.shift(s.o.root(s["mean_square"]), s.config.layer_norm_epsilon))},
)
_mistake(
    "no_square_root",
    "the root is forgotten: 1/(mean_square + ε)",
    "19.2",
    _changed(lambda x, e: 1 / (_mean_square(x) + e)),
)
_SUMMED = _changed(lambda x, e: 1 / np.sqrt(_mean_square(x) * x.shape[-1] + e))
_mistake(
    "sum",
    "the squares are added up, not averaged",
    "19.1",
    {"dx": _SUMMED["dx"]},
    wraps={"mean_square": lambda s, right: s.o.scale(right, s.config.n_embd)},
)
_CENTERED = _changed(lambda x, e: 1 / np.sqrt(_mean_square(x - x.mean(-1, keepdims=True)) + e))
_mistake(
    "of_variance",
    "the variance is taken, not the mean square: the mean is subtracted before squaring",
    "19.1",
    {
        "mean_square": lambda s: s.o.smooth(
            lambda x: _mean_square(x - x.mean(-1, keepdims=True))[..., 0], s["x"], roundings=s.config.n_embd + 4
        ),
        "dx": _CENTERED["dx"],
    },
)


def _layer_norm(s: Any) -> Any:
    return s.o.layer_norm(s["x"], s.config.layer_norm_epsilon, kernel=True)


_mistake(
    "layer_norm",
    "layer norm: the mean is subtracted",
    "19.3",
    {
        "mean_square": lambda s: s.o.shaped(_layer_norm(s).variance, _flat),
        "out": lambda s: _layer_norm(s).normalized,
        "dx": lambda s: s.o.layer_norm_backward(s["dout"], s["out"], _column(s, "rrms"), s["x"]),
    },
)
_mistake(
    "forgotten",
    "the norm is forgotten: its input passes unchanged",
    "19.3",
    {"out": lambda s: s.o.scale(s["x"], 1.0), "dx": lambda s: s.o.scale(s["dout"], 1.0)},
)

# Mistakes backward.


def _backward(s: Any, y: bool, scaled: bool, *, sums: bool = False) -> Value:
    def formula(g: Any, normalized: Any, scale: Any) -> Any:
        along = (g * normalized).mean(-1, keepdims=True) * (g.shape[-1] if sums else 1)
        left = g - normalized * along if y else g
        return scale * left if scaled else left

    return s.o.smooth(formula, s["dout"], s["out"], _column(s, "rrms"), roundings=s.config.n_embd + 8)


_mistake(
    "dx_scale_only",
    "RMSNorm's backward lacks its last term, y·mean(dy·y): it treats the factor as a constant",
    "19.4",
    {"dx": lambda s: _backward(s, False, True)},
)
_mistake(
    "dx_no_rrms",
    "RMSNorm's backward does not multiply by the factor",
    "19.4",
    {"dx": lambda s: _backward(s, True, False)},
)
_mistake(
    "dx_sums",
    "RMSNorm's backward takes a sum where it needs a mean: C is not divided by",
    "19.4",
    {"dx": lambda s: _backward(s, True, True, sums=True)},
)
_mistake(
    "dx_mean_subtracted",
    "RMSNorm's backward subtracts the mean of the gradient, as layer norm's does",
    "19.4",
    {
        "dx": lambda s: s.o.smooth(
            lambda g, y, r: r * (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)),
            *(s["dout"], s["out"], _column(s, "rrms")),
            roundings=s.config.n_embd + 8,
        )
    },
)


def _bypass_lost(s: Any) -> Value:
    s.require(bool(s.link("dbypass")) and s.config.norm == "rms_norm")
    return s.o.scale(s["dnorm"], 1.0)


def _with_bypass(s: Any) -> Value:
    s.require(s.config.norm == "rms_norm")
    return s.o.add(s.right("dx"), s["dstream"])


def _backward_of_both(s: Any) -> Value:
    s.require(bool(s.link("dresidual")))
    return s.o.rms_norm_backward(s.o.add(s["dout"], s["dresidual"]), s["out"], _column(s, "rrms"))


for _rules in ({"dx": _backward_of_both}, {"attention:dx": _with_bypass, "feed_forward:dx": _with_bypass}):
    RMS_NORM.mistake(
        "rms_norm.added_before",
        "the gradient that goes around the norm is added before the norm's backward, not after",
        "10.3",
        {**_rules, "branch:dresidual": _bypass_lost, "embedding_norm:dout": _bypass_lost},
    )

# A norm where there is none: before the head.


def _normed(s: Any) -> Any:
    s.require(s.config.has_embedding_norm)
    return s.o.rms_norm(s["x"], s.config.layer_norm_epsilon)


def _last_dx(s: Any) -> Value:
    parts = _normed(s)
    return s.o.rms_norm_backward(s.right("dx"), parts.normalized, parts.rrms)


_LAST = {
    "head:logits": lambda s: s.o.matmul(_normed(s).normalized, s.o.shaped(s["head"], transposed)),
    "head:dweight": lambda s: s.o.matmul(
        s.o.shaped(s.o.shaped(s["dlogits"], rows), transposed), s.o.shaped(_normed(s).normalized, rows)
    ),
    "head:dx": _last_dx,
}
EMBEDDING_NORM.mistake("rms_norm.last_added", "there is a norm before the head, and this model has none", "19.9", _LAST)
