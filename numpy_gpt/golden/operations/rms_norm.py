"""RMSNorm without weights (§19), forward and backward, and the gradient that enters the norm after the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.linear import rows, transposed
from numpy_gpt.golden.operations.norm import row_gradient
from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value

RMS_NORM = Operation("rms_norm")
ENTRY = Operation("entry")


def _parts(s: Any) -> Any:
    return s.o.rms_norm(s["x"], s.config.layer_norm_epsilon)


def _column(s: Any, key: str) -> Value:
    return s.o.shaped(s[key], lambda a: a[..., None])


def _flat(s: Any, value: Value) -> Value:
    return s.o.shaped(value, lambda a: a[..., 0])


@RMS_NORM.array("mean_square", "B,T", "19.1")
def mean_square(s: Any) -> Value:
    """Average the squares."""
    return _flat(s, _parts(s).mean_square)


@RMS_NORM.array("rrms", "B,T", "19.2")
def rrms(s: Any) -> Value:
    """Take the reciprocal of the root."""
    if not s.touched("mean_square"):
        return _flat(s, _parts(s).rrms)
    return _reciprocal(s, s.o.root(s.o.shift(s["mean_square"], s.config.layer_norm_epsilon)))


@RMS_NORM.array("out", "B,T,C", "19.3")
def out(s: Any) -> Value:
    """Scale to a mean square of 1."""
    return s.o.multiply(s["x"], _column(s, "rrms")) if s.touched("mean_square", "rrms") else _parts(s).normalized


# Backward; dout is computed by what follows the norm.


@RMS_NORM.array("dx", "B,T,C", "19.4", BACKWARD)
def dx(s: Any) -> Value:
    """Undo the normalization at once."""
    return _backward(s, s["dout"])


def _backward(s: Any, g: Value) -> Value:
    return s.o.rms_norm_backward(g, s["out"], _column(s, "rrms"))


@ENTRY.array("dout", "B,T,C", "10.4", BACKWARD)
def entry(s: Any) -> Value:
    """Add what came through the first block's norm and around it."""
    return s.o.add(s["dnorm"], s["dbypass"]) if s.link("dbypass") else s["dnorm"]


# Mistakes.


def _reciprocal(s: Any, value: Value) -> Value:
    return s.o.smooth(lambda a: 1 / a, value, roundings=1)


def _with_epsilon(s: Any, epsilon: float) -> Value:
    s.require(epsilon != s.config.layer_norm_epsilon)
    return _reciprocal(s, s.o.root(s.o.shift(s["mean_square"], epsilon)))


for _epsilon in (1e-6, 1e-5, 1e-4, 1e-3):
    RMS_NORM.mistake(
        "rms_norm.epsilon",
        f"RMSNorm's ε is {_epsilon:g}, not the config's",
        "19.2",
        {"rrms": lambda s, epsilon=_epsilon: _with_epsilon(s, epsilon)},
    )
RMS_NORM.mistake(
    "rms_norm.epsilon_outside",
    "ε is added outside the root: 1/(√mean(x²) + ε)",
    "19.2",
    {
        "rrms": lambda s: _reciprocal(s, s.o.shift(s.o.root(s["mean_square"]), s.config.layer_norm_epsilon)),
        "dx": row_gradient(lambda x, e: x / (np.sqrt((x * x).mean(-1, keepdims=True)) + e), "dout"),
    },
)
RMS_NORM.mistake(
    "rms_norm.epsilon_missing",
    "ε is missing, or far too small: 1/√mean(x²)",
    "19.2",
    {"rrms": lambda s: _reciprocal(s, s.o.root(s["mean_square"]))},
)
RMS_NORM.mistake(
    "rms_norm.no_square_root",
    "the root is forgotten: 1/(mean(x²) + ε)",
    "19.2",
    {
        "rrms": lambda s: _reciprocal(s, s.o.shift(s["mean_square"], s.config.layer_norm_epsilon)),
        "dx": row_gradient(lambda x, e: x / ((x * x).mean(-1, keepdims=True) + e), "dout"),
    },
)
RMS_NORM.mistake(
    "rms_norm.sum",
    "the squares are added, not averaged",
    "19.1",
    {"dx": row_gradient(lambda x, e: x / np.sqrt((x * x).sum(-1, keepdims=True) + e), "dout")},
    wraps={"mean_square": lambda s, right: s.o.scale(right, s.config.n_embd)},
)


def _centered(x: Any) -> Any:
    return x - x.mean(-1, keepdims=True)


RMS_NORM.mistake(
    "rms_norm.layer_norm",
    "the mean is subtracted, as in layer norm: RMSNorm does not",
    "19.1",
    {
        "mean_square": lambda s: s.o.smooth(lambda x: (_centered(x) ** 2).mean(-1), s["x"]),
        "out": lambda s: s.o.smooth(lambda x, r: _centered(x) * r, s["x"], _column(s, "rrms")),
        "dx": row_gradient(
            lambda x, e: _centered(x) / np.sqrt((_centered(x) ** 2).mean(-1, keepdims=True) + e), "dout"
        ),
    },
)


def _wrong_dx(identifier: str, sentence: str, formula: Callable[[Any, Any, Any], Any]) -> None:
    RMS_NORM.mistake(
        identifier,
        sentence,
        "19.4",
        {"dx": lambda s: s.o.smooth(formula, s["dout"], s["out"], _column(s, "rrms"), roundings=s.config.n_embd + 8)},
    )


def _along(g: Any, y: Any) -> Any:
    return (g * y).mean(-1, keepdims=True)


_wrong_dx("rms_norm.dx_scale_only", "RMSNorm's backward lacks its second term, y·mean(dy·y)", lambda g, y, r: r * g)
_wrong_dx("rms_norm.dx_no_rrms", "RMSNorm's backward is not scaled", lambda g, y, r: g - y * _along(g, y))
_wrong_dx(
    "rms_norm.dx_sum",
    "RMSNorm's backward takes a sum where it needs a mean",
    lambda g, y, r: r * (g - y * (g * y).sum(-1, keepdims=True)),
)


def _lost_bypass(s: Any) -> Value:
    s.require(bool(s.link("dbypass")) and s.config.norm == "rms_norm")
    return s.o.scale(s["dnorm"], 1.0)


def _with_bypass(s: Any) -> Value:
    s.require(s.config.norm == "rms_norm")
    return s.o.add(s.right("dx"), s["dstream"])


for _rules in (
    {"dx": lambda s: _backward(s, s.o.add(s["dout"], s["dresidual"]) if s.link("dresidual") else s["dout"])},
    {
        "attention:dx": _with_bypass,
        "feed_forward:dx": _with_bypass,
    },
):
    RMS_NORM.mistake(
        "rms_norm.added_before",
        "the gradient that goes around the norm is added before the norm's backward, not after",
        "10.3",
        {
            **_rules,
            "branch:dresidual": _lost_bypass,
            "entry:dout": _lost_bypass,
        },
    )
ENTRY.mistake(
    "entry.skipped",
    "the norm after the embeddings is forgotten",
    "19.8",
    {
        "attention:qkv": lambda s: _without_entry(s),
        "branch:residual": lambda s: _stream_without_entry(s),
        "rms_norm:dx": lambda s: _passed(s),
    },
)


def _before_entry(s: Any) -> Value:
    return s.at("embedding.dropout" if s.evaluation.graph.dropout else "embedding.sum")


def _without_entry(s: Any) -> Value:
    s.require(s.link("stream") == "embedding.norm.out")
    parts = s.o.rms_norm(_before_entry(s), s.config.layer_norm_epsilon)
    return s.o.linear(parts.normalized, s["c_attn.weight"], s.get("c_attn.bias"))


def _stream_without_entry(s: Any) -> Value:
    s.require(s.link("stream") == "embedding.norm.out")
    return s.o.add(_before_entry(s), s["out"])


def _passed(s: Any) -> Value:
    s.require(s.node.plain == "embedding.norm.dx")
    return s.o.scale(s["dout"], 1.0)


# A norm less, or one more.


RMS_NORM.mistake(
    "rms_norm.forgotten",
    "the norm is forgotten: its input passes unchanged",
    "19.3",
    {"out": lambda s: s.o.scale(s["x"], 1.0), "dx": lambda s: s.o.scale(s["dout"], 1.0)},
)
RMS_NORM.mistake(
    "rms_norm.of_variance",
    "the mean is subtracted before the squares are taken, but not from what is scaled",
    "19.1",
    {
        "mean_square": lambda s: s.o.smooth(lambda x: (_centered(x) ** 2).mean(-1), s["x"]),
        "dx": row_gradient(lambda x, e: x / np.sqrt((_centered(x) ** 2).mean(-1, keepdims=True) + e), "dout"),
    },
)


def _normed(s: Any) -> Any:
    s.require(s.config.has_embedding_norm)
    return s.o.rms_norm(s["x"], s.config.layer_norm_epsilon)


def _through_last(s: Any) -> Value:
    parts = _normed(s)
    return s.o.rms_norm_backward(s.right("dx"), parts.normalized, parts.rrms)


ENTRY.mistake(
    "entry.last_added",
    "there is a norm before the head: this model has none",
    "19.9",
    {
        "head:logits": lambda s: s.o.matmul(_normed(s).normalized, s.o.shaped(s["head"], transposed)),
        "head:dweight": lambda s: s.o.matmul(
            s.o.shaped(s.o.shaped(s["dlogits"], rows), transposed), s.o.shaped(_normed(s).normalized, rows)
        ),
        "head:dx": _through_last,
    },
)
