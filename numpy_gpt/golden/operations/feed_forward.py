"""Feed-forward (§9) with its activation (§5), forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.linear import Linear, declare_backward, declare_forward
from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.tolerances.activation import CUBIC, ROOT, erf

FEED_FORWARD = Operation("feed_forward")
_HIDDEN = "B,T,F"
_C_FC = Linear("mlp.c_fc", "x", "hidden", "c_fc", "dhidden", "dx", (_HIDDEN, "C,F", "F"), "9.1", "9.6")
_C_PROJ = Linear("mlp.c_proj", "activated", "out", "c_proj", "dout", "dactivated", ("B,T,C", "F,C", "C"), "9.3", "9.4")


def _is(kind: str) -> Callable[[GPTConfig], bool]:
    return lambda config: config.activation == kind


def _inner(s: Any, name: str) -> Value:
    return s.o.activation(s["hidden"], s.config.activation).inner[name]


declare_forward(FEED_FORWARD, _C_FC)


@FEED_FORWARD.array("gelu.argument", _HIDDEN, "5.1", exists=_is("gelu_tanh"))
def argument(s: Any) -> Value:
    """Take the argument of tanh."""
    return _inner(s, "gelu.argument")


@FEED_FORWARD.array("gelu.tanh", _HIDDEN, "5.2", exists=_is("gelu_tanh"))
def tanh(s: Any) -> Value:
    """Take tanh."""
    if not s.touched("gelu.argument"):
        return _inner(s, "gelu.tanh")
    return s.o.smooth(np.tanh, s["gelu.argument"])


@FEED_FORWARD.array("gelu.erf", _HIDDEN, "5.5", exists=_is("gelu_erf"))
def error_function(s: Any) -> Value:
    """Take erf of x/√2."""
    return _inner(s, "gelu.erf")


@FEED_FORWARD.array("activated", _HIDDEN, "9.2")
def activated(s: Any) -> Value:
    """Apply the activation."""
    inner = {"gelu_tanh": ("gelu.argument", "gelu.tanh"), "gelu_erf": ("gelu.erf",), "relu": ()}[s.config.activation]
    if not s.touched(*inner):
        return s.o.activation(s["hidden"], s.config.activation).out
    return s.o.multiply(s.o.scale(s["hidden"], 0.5), s.o.shift(s[inner[-1]], 1.0))


declare_forward(FEED_FORWARD, _C_PROJ)

# Backward.

declare_backward(FEED_FORWARD, _C_PROJ)


@FEED_FORWARD.array("dhidden", _HIDDEN, "9.5", BACKWARD)
def dhidden(s: Any) -> Value:
    """Multiply by the activation's slope."""
    return s.o.activation_backward(s["dactivated"], s["hidden"], s.config.activation)


declare_backward(FEED_FORWARD, _C_FC)

# Mistakes.

FEED_FORWARD.mistake(
    "feed_forward.unnormed",
    "the feed-forward network reads the residual stream itself: the norm before it (ln_2) is forgotten",
    "10.2",
    {"hidden": lambda s: s.o.linear(s["stream"], s["c_fc.weight"], s.get("c_fc.bias"))},
)


def _normal_density(x: Any) -> Any:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _tanh_form(x: Any, root: float = ROOT, cubic: float = CUBIC) -> Any:
    return 0.5 * x * (1 + np.tanh(root * (x + cubic * x**3)))


def _tanh_slope(x: Any, root: float = ROOT, cubic: float = CUBIC, three: float = 3.0) -> Any:
    t = np.tanh(root * (x + cubic * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + three * cubic * x * x)


def _sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _sigmoid_slope(x: Any, a: float) -> Any:
    p = _sigmoid(a * x)
    return p + a * x * p * (1 - p)


Curve = Callable[[Any], Any]
_FORMS: dict[str, tuple[str, Curve, Curve]] = {
    "gelu_tanh": ("the tanh form of GELU", _tanh_form, _tanh_slope),
    "gelu_erf": (
        "the erf form of GELU",
        lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
        lambda x: 0.5 * (1 + erf(x / math.sqrt(2))) + x * _normal_density(x),
    ),
    "gelu_sigmoid": (
        "the sigmoid form of GELU, x·σ(1.702x)",
        lambda x: x * _sigmoid(1.702 * x),
        lambda x: _sigmoid_slope(x, 1.702),
    ),
    "silu": ("SiLU, x·σ(x)", lambda x: x * _sigmoid(x), lambda x: _sigmoid_slope(x, 1.0)),
    "relu": ("ReLU", lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(float)),
    "relu_squared": ("ReLU squared", lambda x: np.maximum(x, 0.0) ** 2, lambda x: 2 * np.maximum(x, 0.0)),
    "leaky_relu": (
        "leaky ReLU",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1.0, 0.01),
    ),
    "tanh": ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "identity": ("no activation at all", lambda x: x + 0.0, np.ones_like),
}


def _declare_form(kind: str, words: str, out: Curve, slope: Curve) -> None:
    def forward(s: Any) -> Value:
        s.require(s.config.activation != kind)
        return s.o.smooth(out, s["hidden"])

    def backward(s: Any) -> Value:
        s.require(s.config.activation != kind)
        return s.o.smooth(lambda d, x: d * slope(x), s["dactivated"], s["hidden"])

    rules = {"activated": forward, "dhidden": backward}
    FEED_FORWARD.mistake(f"activation.{kind}", f"the activation is {words}, not the config's", "9.2", rules)


for _kind, (_words, _out, _slope) in _FORMS.items():
    _declare_form(_kind, _words, _out, _slope)


def _declare_constants(identifier: str, words: str, root: float, cubic: float) -> None:
    def known(s: Any) -> None:
        s.require(s.config.activation == "gelu_tanh")

    def argument_of(s: Any) -> Value:
        known(s)
        return s.o.smooth(lambda x: root * (x + cubic * x**3), s["hidden"])

    def slope(s: Any) -> Value:
        known(s)
        return s.o.smooth(lambda d, x: d * _tanh_slope(x, root, cubic), s["dactivated"], s["hidden"])

    FEED_FORWARD.mistake(identifier, words, "5.1", {"gelu.argument": argument_of, "dhidden": slope})


def _own_cubic(s: Any) -> float:
    """Read the constant from the port's own arguments of tanh."""
    own, x = s.own("gelu.argument"), s.evaluation.value_of(s["hidden"])
    cube = ROOT * x**3  # least squares in one unknown
    return float((cube * (own - ROOT * x)).sum() / (cube * cube).sum())


FEED_FORWARD.mistake(
    "activation.cubic",
    "GELU's constant is not 0.044715",
    "5.1",
    {
        "gelu.argument": lambda s: s.o.smooth(lambda x: ROOT * (x + _own_cubic(s) * x**3), s["hidden"]),
        "dhidden": lambda s: s.o.smooth(
            lambda d, x: d * _tanh_slope(x, cubic=_own_cubic(s)), s["dactivated"], s["hidden"]
        ),
    },
)
for _constant in (0.0, 0.0044715, 0.04, 0.044, 0.0447, 0.04471, 0.04475, 0.045, 0.04715, 0.047715, 0.0474715, 0.44715):
    _declare_constants("activation.cubic", f"GELU's constant is {_constant:g}, not 0.044715", ROOT, _constant)
for _constant in (
    0.79,
    0.797,
    0.7978,
    0.79788,
    0.7979,
    0.8,
    1.0,
    math.sqrt(2 * math.pi),
    2 / math.pi,
    math.sqrt(math.pi / 2),
):
    _declare_constants("activation.root", f"GELU's factor is {_constant:g}, not √(2/π) = 0.79788…", _constant, CUBIC)


def _declare_slope(identifier: str, words: str, slope: Callable[[Any, str], Any], *kinds: str) -> None:
    def rule(s: Any) -> Value:
        s.require(s.config.activation in kinds)
        return s.o.smooth(lambda d, x: d * slope(x, s.config.activation), s["dactivated"], s["hidden"])

    FEED_FORWARD.mistake(identifier, words, "9.5", {"dhidden": rule})


def _first_part(x: Any, kind: str) -> Any:
    return 0.5 * (1 + (np.tanh(ROOT * (x + CUBIC * x**3)) if kind == "gelu_tanh" else erf(x / math.sqrt(2))))


_declare_slope(
    "activation.slope_without_3",
    "GELU's slope lacks the 3 of 3·0.044715·x²",
    lambda x, kind: _tanh_slope(x, three=1.0),
    "gelu_tanh",
)
_declare_slope(
    "activation.slope_inner",
    "GELU's slope lacks the derivative of tanh's argument, √(2/π)·(1 + 3·0.044715·x²)",
    lambda x, kind: _first_part(x, kind) + 0.5 * x * (1 - (2 * _first_part(x, kind) - 1) ** 2),
    "gelu_tanh",
)
_declare_slope("activation.slope_first", "GELU's slope lacks its second term", _first_part, "gelu_tanh", "gelu_erf")
_declare_slope(
    "activation.slope_second",
    "GELU's slope lacks its first term",
    lambda x, kind: _FORMS[kind][2](x) - _first_part(x, kind),
    "gelu_tanh",
    "gelu_erf",
)
_declare_slope(
    "activation.slope_of_activated",
    "the slope is taken at the activation's result, not at its input",
    lambda x, kind: _FORMS[kind][2](_FORMS[kind][1](x)),
    "gelu_tanh",
    "gelu_erf",
)
_declare_slope(
    "activation.slope_missing",
    "the activation's slope is forgotten in the backward pass",
    lambda x, kind: np.ones_like(x),
    "gelu_tanh",
    "gelu_erf",
    "relu",
)
FEED_FORWARD.mistake(
    "activation.twice",
    "the activation is applied twice",
    "9.2",
    wraps={"activated": lambda s, right: _again(s, right)},
)


def _again(s: Any, right: Value) -> Value:
    s.require(s.config.activation != "relu")
    return s.o.activation(right, s.config.activation).out
