"""What ports get wrong in layer norm (§4).

Where a mistake changes how the result depends on x, so does its gradient, which a port by autograd has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.norm import (
    NORM,
    column,
    dbias,
    dweight,
    epsilon_sentence,
    norm_backward,
    reciprocal,
    summed,
    without_axis,
)
from numpy_gpt.golden.operations.operation import Value


def row_gradient(function: Callable[[Any, float], Any], dout: str = "dnormalized") -> Any:
    """Return a rule for dx: the gradient of a function of rows, by complex steps (Squire & Trapp 1998)."""

    def gradient(x: Any, g: Any, epsilon: float) -> Any:
        tiny = 1e-30
        columns = []
        for channel in range(x.shape[-1]):
            moved = x.astype(complex)
            moved[..., channel] += 1j * tiny
            columns.append((function(moved, epsilon).imag / tiny * g).sum(-1))
        return np.stack(columns, -1)

    return lambda s: s.o.smooth(
        lambda x, g: gradient(x, g, s.config.layer_norm_epsilon), s["x"], s[dout], roundings=s.config.n_embd + 8
    )


def _centered(x: Any) -> Any:
    return x - x.mean(-1, keepdims=True)


def _squares(x: Any) -> Any:
    return (x * x).mean(-1, keepdims=True)


for _epsilon in (0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3):

    def _with_epsilon(s: Any, epsilon: float = _epsilon) -> Value:
        s.require(epsilon != s.config.layer_norm_epsilon)
        return reciprocal(s, s.o.root(s.o.shift(s["variance"], epsilon)))

    NORM.mistake("norm.epsilon", epsilon_sentence("layer norm", _epsilon), "4.4", {"rstd": _with_epsilon})

NORM.mistake(
    "norm.epsilon_outside",
    "ε is added outside the root: 1/(√variance + ε)",
    "4.4",
    {"rstd": lambda s: reciprocal(s, s.o.shift(s.o.root(s["variance"]), s.config.layer_norm_epsilon))},
)
NORM.mistake(
    "norm.unbiased",
    "the variance is divided by C − 1, not by C",
    "4.3",
    {
        "dx": row_gradient(
            lambda x, e: _centered(x) / np.sqrt(_squares(_centered(x)) * x.shape[-1] / max(x.shape[-1] - 1, 1) + e)
        )
    },
    wraps={"variance": lambda s, right: s.o.scale(right, s.config.n_embd / max(s.config.n_embd - 1, 1))},
)
NORM.mistake(
    "norm.no_square_root",
    "the root is forgotten: 1/(variance + ε)",
    "4.4",
    {
        "rstd": lambda s: reciprocal(s, s.o.shift(s["variance"], s.config.layer_norm_epsilon)),
        "dx": row_gradient(lambda x, e: _centered(x) / (_squares(_centered(x)) + e)),
    },
)
NORM.mistake(
    "norm.not_centered",
    "the mean is not subtracted",
    "4.5",
    {
        "normalized": lambda s: s.o.multiply(s["x"], column(s, "rstd")),
        "dx": row_gradient(lambda x, e: x / np.sqrt(_squares(_centered(x)) + e)),
    },
)
NORM.mistake(
    "norm.rms",
    "RMSNorm: the mean is not subtracted, neither from x nor in the variance",
    "4.3",
    {
        "variance": lambda s: s.o.shaped(s.o.row_mean(s.o.multiply(s["x"], s["x"])), without_axis),
        "normalized": lambda s: s.o.multiply(s["x"], column(s, "rstd")),
        "dx": row_gradient(lambda x, e: x / np.sqrt(_squares(x) + e)),
    },
)
_NO_WEIGHT: dict[str, Any] = {
    "out": lambda s: s.o.add(s["normalized"], s["bias"]) if s.has("bias") else s.o.scale(s["normalized"], 1.0),
    "dnormalized": lambda s: s.o.scale(s["dout"], 1.0),
}
for _rules in (_NO_WEIGHT, {**_NO_WEIGHT, "dweight": lambda s: s.o.scale(dweight(s), 0.0)}):
    NORM.mistake("norm.no_weight", "the norm's weight γ is forgotten", "4.6", _rules)
NORM.mistake(
    "norm.weight_plus_1",
    "the norm multiplies by 1 + γ, not by γ",
    "4.6",
    {
        "out": lambda s: s.o.add(s.right("out"), s["normalized"]),
        "dnormalized": lambda s: s.o.add(s.right("dnormalized"), s["dout"]),
    },
)


def _without_bias(s: Any) -> Value:
    s.require(s.has("bias"))
    return s.o.multiply(s["normalized"], s["weight"])


for _rules in ({"out": _without_bias}, {"out": _without_bias, "dbias": lambda s: s.o.scale(dbias(s), 0.0)}):
    NORM.mistake("norm.no_bias", "the norm's bias β is forgotten", "4.6", _rules)
for _letter, _key in (("γ", "dweight"), ("β", "dbias")):
    NORM.mistake(
        f"norm.{_key}_zero",
        f"the gradient of {_letter} is forgotten: it is 0",
        "4.7",
        wraps={_key: lambda s, right: s.o.scale(right, 0.0)},
    )


def _one_pass(s: Any) -> Value:
    """Bound mean(x²) − mean(x)² as it is rounded: by the squares, not by their difference."""
    right, x = s.right("variance"), s["x"]
    if isinstance(right, np.ndarray):
        return s.o.rounded(right, (s.config.n_embd + 4, 2 * (x**2).mean(-1)))
    squares = (x.magnitude**2).mean(-1)
    return type(right)(
        right.value, right.error + (s.config.n_embd + 4) * 2 * right.rounding.unit * squares, right.rounding
    )


def _one_pass_in_float32(s: Any) -> Value:
    """Add up in float32, one channel after the other, as a simple loop does."""
    s.require(s.evaluation.dtype == "float32")

    def formula(x: Any) -> Any:
        total = square = np.zeros(x.shape[:-1], np.float32)
        for channel in np.moveaxis(x.astype(np.float32), -1, 0):
            total, square = total + channel, square + channel * channel
        mean = total / np.float32(x.shape[-1])
        return (square / np.float32(x.shape[-1]) - mean * mean).astype(np.float64)

    return s.o.smooth(formula, s["x"], roundings=2)


NORM.mistake(
    "norm.one_pass",
    "the variance is computed in one pass, as mean(x²) − mean(x)², where two large numbers cancel",
    "4.3",
    {"variance": _one_pass_in_float32},
)
NORM.mistake(
    "norm.one_pass",
    "the variance is computed in one pass, as mean(x²) − mean(x)², where two large numbers cancel",
    "4.3",
    {"variance": _one_pass},
    size_only=True,
)


NORM.mistake(
    "norm.over_time",
    "the statistics are taken over the positions, not over the channels",
    "4.1",
    {
        "normalized": lambda s: s.o.smooth(
            lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + s.config.layer_norm_epsilon),
            s["x"],
        )
    },
)

# Mistakes backward.


def _means(s: Any, constant: bool, hat: bool, scaled: bool = True) -> Value:
    def formula(g: Any, normalized: Any, rstd: Any) -> Any:
        left = g - constant * g.mean(-1, keepdims=True)
        left = left - hat * normalized * (g * normalized).mean(-1, keepdims=True)
        return rstd * left if scaled else left

    return s.o.smooth(formula, s["dnormalized"], s["normalized"], column(s, "rstd"), roundings=s.config.n_embd + 8)


NORM.mistake(
    "norm.dx_no_mean",
    "the norm's backward does not subtract the mean of the gradient",
    "4.10",
    {"dx": lambda s: _means(s, False, True)},
)
NORM.mistake(
    "norm.dx_no_hat",
    "the norm's backward lacks its last term, x̂·mean(dx̂·x̂)",
    "4.10",
    {"dx": lambda s: _means(s, True, False)},
)
NORM.mistake(
    "norm.dx_scale_only",
    "the norm's backward lacks both means: it treats mean and variance as constants",
    "4.10",
    {"dx": lambda s: _means(s, False, False)},
)
NORM.mistake(
    "norm.dx_unbiased",
    "the norm's backward divides its last sum by C − 1, not by C",
    "4.10",
    {
        "dx": lambda s: s.o.smooth(
            lambda g, hat, r: (
                r * (g - g.mean(-1, keepdims=True) - hat * (g * hat).sum(-1, keepdims=True) / max(g.shape[-1] - 1, 1))
            ),
            *(s["dnormalized"], s["normalized"], column(s, "rstd")),
            roundings=s.config.n_embd + 8,
        )
    },
)
NORM.mistake(
    "norm.dx_no_rstd",
    "the norm's backward does not multiply by 1/√(variance + ε)",
    "4.10",
    {"dx": lambda s: _means(s, True, True, False)},
)
NORM.mistake(
    "norm.dx_no_weight",
    "the norm's backward takes dout where it needs dout·γ",
    "4.9",
    {"dx": lambda s: norm_backward(s, s["dout"])},
)
NORM.mistake(
    "norm.dx_sums",
    "the norm's backward takes sums where it needs means: C is not divided by",
    "4.10",
    {
        "dx": lambda s: s.o.smooth(
            lambda g, hat, r: r * (g - g.sum(-1, keepdims=True) - hat * (g * hat).sum(-1, keepdims=True)),
            *(s["dnormalized"], s["normalized"], column(s, "rstd")),
            roundings=s.config.n_embd + 8,
        )
    },
)
NORM.mistake(
    "norm.dweight_input",
    "the gradient of γ takes the norm's input, not the normalized values",
    "4.7",
    {"dweight": lambda s: summed(s, s.o.multiply(s["dout"], s["x"]))},
)
NORM.mistake(
    "norm.dweight_centered",
    "the gradient of γ takes x − mean, not divided by the standard deviation",
    "4.7",
    {"dweight": lambda s: summed(s, s.o.multiply(s["dout"], s["centered"]))},
)
NORM.mistake(
    "norm.dweight_out",
    "the gradient of γ takes the norm's output, not the normalized values",
    "4.7",
    {"dweight": lambda s: summed(s, s.o.multiply(s["dout"], s["out"]))},
)
NORM.mistake(
    "norm.dweight_is_dbias",
    "the gradient of γ is not multiplied by the normalized values",
    "4.7",
    {"dweight": lambda s: summed(s, s["dout"])},
)
for _which, _keep in (("last", -1), ("first", 0)):
    _both: dict[str, Any] = {
        "dweight": lambda s, keep=_keep: s.o.total(
            s.o.shaped(s.o.multiply(s["dout"], s["normalized"]), lambda a: a[keep]), 0
        ),
        "dbias": lambda s, keep=_keep: s.o.total(s.o.shaped(s["dout"], lambda a: a[keep]), 0),
    }
    for _rules in (_both, *({key: rule} for key, rule in _both.items())):
        NORM.mistake(
            f"norm.batch_{_which}",
            f"the gradients of γ and β are those of the {_which} sequence, not the sum over the batch",
            "4.7",
            _rules,
        )
NORM.mistake(
    "norm.batch_mean",
    "the gradients of γ and β are divided by the batch size once more",
    "4.7",
    wraps={
        "dweight": lambda s, right: s.o.scale(right, 1 / len(s.tokens)),
        "dbias": lambda s, right: s.o.scale(right, 1 / len(s.tokens)),
    },
)


def _lost_bypass(s: Any) -> Value:
    s.require(bool(s.link("dbypass")) and s.config.norm == "layer_norm")
    return s.o.scale(s["dnorm"], 1.0)


def _with_bypass(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    return s.o.add(s.right("dx"), s["dstream"])


NORM.mistake(
    "norm.added_before",
    "the gradient that goes around the norm is added before the norm's backward, not after",
    "10.3",
    {
        **{
            "dnormalized": lambda s: s.o.multiply(_early(s), s["weight"]),
            "dweight": lambda s: summed(s, s.o.multiply(_early(s), s["normalized"])),
            "dbias": lambda s: summed(s, _early(s)),
        },
        "branch:dresidual": _lost_bypass,
        "embedding:dsum": _lost_bypass,
    },
)
NORM.mistake(
    "norm.added_before",
    "the gradient that goes around the norm is added before the norm's backward, not after",
    "10.3",
    {
        "attention:dx": _with_bypass,
        "feed_forward:dx": _with_bypass,
        "branch:dresidual": _lost_bypass,
        "embedding:dsum": _lost_bypass,
    },
)


def _early(s: Any) -> Value:
    return s.o.add(s["dout"], s["dresidual"]) if s.link("dresidual") else s["dout"]
