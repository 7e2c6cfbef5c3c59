"""Layer norm (§4), forward and backward."""

from __future__ import annotations

from typing import Any

from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value
from numpy_gpt.shared.model.config import GPTConfig

NORM = Operation("norm")
_STEPS = ("mean", "centered", "variance", "rstd")


def _has_bias(config: GPTConfig) -> bool:
    return config.bias


def column(s: Any, key: str) -> Value:
    """Return a number per row with an axis of length 1 for the channels."""
    return s.o.shaped(s[key], lambda a: a[..., None])


def _parts(s: Any) -> Any:
    return s.o.layer_norm(s["x"], s.config.layer_norm_epsilon, kernel=True)


def without_axis(a: Any) -> Any:
    """Drop that axis."""
    return a[..., 0]


@NORM.array("mean", "B,T", "4.1")
def mean(s: Any) -> Value:
    """Average the channels."""
    return s.o.shaped(s.o.row_mean(s["x"]), without_axis)


@NORM.array("centered", "B,T,C", "4.2")
def centered(s: Any) -> Value:
    """Subtract the mean."""
    return s.o.subtract(s["x"], column(s, "mean")) if s.touched("mean") else _parts(s).centered


@NORM.array("variance", "B,T", "4.3")
def variance(s: Any) -> Value:
    """Average the squares."""
    if not s.touched("mean", "centered"):
        return s.o.shaped(_parts(s).variance, without_axis)
    return s.o.shaped(s.o.row_mean(s.o.multiply(s["centered"], s["centered"])), without_axis)


@NORM.array("rstd", "B,T", "4.4")
def rstd(s: Any) -> Value:
    """Take the reciprocal of the standard deviation."""
    if not s.touched("mean", "centered", "variance"):
        return s.o.shaped(_parts(s).rstd, without_axis)
    return reciprocal(s, s.o.root(s.o.shift(s["variance"], s.config.layer_norm_epsilon)))


@NORM.array("normalized", "B,T,C", "4.5")
def normalized(s: Any) -> Value:
    """Scale to variance 1."""
    return s.o.multiply(s["centered"], column(s, "rstd")) if s.touched(*_STEPS) else _parts(s).normalized


@NORM.array("out", "B,T,C", "4.6")
def out(s: Any) -> Value:
    """Scale and shift each channel."""
    return affine(s, s["normalized"])


def affine(s: Any, x: Value) -> Value:
    """Scale and shift each channel."""
    scaled = s.o.multiply(x, s["weight"])
    return s.o.add(scaled, s["bias"]) if s.has("bias") else scaled


# Backward; dout is computed by what follows the norm.


@NORM.array("dweight", "C", "4.7", BACKWARD)
def dweight(s: Any) -> Value:
    """Sum dout·x̂ over the positions."""
    return summed(s, s.o.multiply(s["dout"], s["normalized"]))


@NORM.array("dbias", "C", "4.8", BACKWARD, exists=_has_bias)
def dbias(s: Any) -> Value:
    """Sum dout over the positions."""
    return summed(s, s["dout"])


@NORM.array("dnormalized", "B,T,C", "4.9", BACKWARD)
def dnormalized(s: Any) -> Value:
    """Undo the scale."""
    return s.o.multiply(s["dout"], s["weight"])


@NORM.array("dx", "B,T,C", "4.10", BACKWARD)
def dx(s: Any) -> Value:
    """Undo the normalization at once."""
    return norm_backward(s, s["dnormalized"])


def norm_backward(s: Any, g: Value) -> Value:
    """Undo the normalization for a gradient of the normalized values."""
    return s.o.layer_norm_backward(g, s["normalized"], column(s, "rstd"), s["x"])


def reciprocal(s: Any, value: Value) -> Value:
    """Return 1/value."""
    return s.o.smooth(lambda a: 1 / a, value, roundings=1)


def summed(s: Any, value: Value) -> Value:
    """Sum over the positions."""
    return s.o.total(s.o.shaped(value, lambda a: a.reshape(-1, a.shape[-1])), 0)


def epsilon_sentence(norm: str, epsilon: float) -> str:
    """Return what is said about another ε; one of 0 and a very small one can hardly be told apart."""
    return f"{norm}'s ε is {epsilon:g}, not the config's" if epsilon else f"{norm}'s ε is missing, or far too small"
