"""The three activations (formula 6 for the tanh GELU; the others and all backward passes derived in the same style).

Errors scale with |x|, not with |y|: in the left tail 1 + t cancels, and GELU(−5) in float32 has no correct digit to
compare. Where 1 − |t| < u/32, tanh and erf are taken to return exactly ±1 (NumPy's float32 tanh does so only from 1 −
|t| = u/14 on), so that the error there is 1 − |t| itself.

Input errors e are propagated with Taylor's theorem: f moves by |f′|e + ½·0.8·e² and f′ by 0.8·e, where 0.8 bounds the
second derivative of both GELUs (it is largest at 0, 2φ(0) = 0.798). ReLU's slope can only jump where |x| ≤ e.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.tolerances.rounding import ELEMENTARY, Bounded, Float64, bounded

ROOT = math.sqrt(2 / math.pi)
CUBIC = 0.044715
CURVATURE = 0.8
erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


class Activation(NamedTuple):
    """What an activation records: argument and tanh, or erf, or nothing; then its result."""

    inner: dict[str, Bounded]
    out: Bounded


def activation(x: Bounded, kind: str) -> Activation:
    """Return the activation of x. ReLU is exact: it passes on x or 0, and the error with it.

    tanh GELU, formula 6: ½|x|[c·u|t| + 8u|w|(1 − t²) + u|1 + t|] + 3u|y|, where 8u|w| covers the six roundings of w.
    erf GELU: the argument x/√2 has two roundings and a factor erf′ = (2/√π)exp(−x²/2), hence 4u|z|erf′(z), to be on the
    safe side, instead of 8u|w|(1 − t²), and erf's own error is c·u, not c·u|e|; the rest is the same.
    """
    if kind == "relu":
        return Activation({}, bounded(np.maximum(x.value, 0), x.error, x))
    unit, inner = x.rounding.unit, _inner(x.value, kind)
    out = 0.5 * x.value * (1 + inner.value)
    slope = np.abs(_slope(x.value, inner, kind))
    propagated = slope * x.error + 0.5 * CURVATURE * x.error**2
    inner_error = _inner_error(inner, unit)
    local = 0.5 * x.magnitude * (inner_error + unit * (1 + inner.value)) + 3 * unit * np.abs(out)
    # What x's error does to w and t themselves: Taylor again, with |d²t/dx²| < 1 and |d²e/dx²| < 1.
    argument_moved = np.abs(inner.derivative) * x.error
    inner_moved = np.abs(inner.rate * inner.derivative) * x.error + 0.5 * x.error**2
    recorded = {}
    if kind == "gelu_tanh":
        curved = 3 * ROOT * CUBIC * x.magnitude * x.error**2
        rounded = 8 * unit * (np.abs(inner.argument) + argument_moved)
        recorded["gelu.argument"] = bounded(inner.argument, argument_moved + curved + rounded, x)
    name = "gelu.tanh" if kind == "gelu_tanh" else "gelu.erf"
    recorded[name] = bounded(inner.value, np.minimum(inner_moved, 2) + inner_error + x.rounding.underflow, x)
    return Activation(recorded, bounded(out, propagated + local + x.rounding.underflow, x))


def activation_backward(dout: Bounded, x: Bounded, kind: str) -> Bounded:
    """Return dout·f′(x).

    ReLU: exact where x is farther from 0 than its error; there the slope may jump, and all of dout is in doubt.
    tanh GELU, f′ = ½(1 + t) + ½x(1 − t²)w′: t is off by Δt = c·u|t| + 8u|w|(1 − t²), so 1 − t² by 2|t|Δt + 2u, its
    product with ½x·w′ by that times ½|x|w′ and by 8u of itself (six roundings of w′, two products), and ½(1 + t) by
    ½(Δt + u). erf GELU, f′ = ½(1 + e) + xφ(x): exp(−x²/2) has an argument with three roundings, hence a relative
    error of (3x²/2 + c)u, and 4u more for the products; ½u because fused kernels add e + 2xφ(x) to 1 and there lose
    everything smaller than u. Adding the two parts costs u|f′|, the product with dout one more rounding.
    """
    if kind == "relu":
        doubtful = (np.abs(x.value) <= x.error) & (x.error > 0)
        return bounded(dout.value * (x.value > 0), np.where(doubtful, dout.magnitude, dout.error * (x.value > 0)), x)
    unit, inner = x.rounding.unit, _inner(x.value, kind)
    slope, inner_error = _slope(x.value, inner, kind), _inner_error(inner, unit)
    if kind == "gelu_tanh":
        second = 0.5 * np.abs(x.value) * inner.derivative
        squared = 2 * np.abs(inner.value) * inner_error + 2 * unit
        # Where t is exactly ±1, 1 − t² is exactly 0, and off by what it should be.
        squared = np.where(_saturated(inner, unit), inner.rate * (1 + 1e-9), squared)
        local = second * (squared + 8 * unit * inner.rate)
    else:
        density = np.exp(-0.5 * x.value**2) / math.sqrt(2 * math.pi)
        relative = np.expm1(np.minimum(unit * (1.5 * x.value**2 + ELEMENTARY + 4), 50))
        local = np.abs(x.value) * (density * relative + 2 * x.rounding.underflow) + 0.5 * unit
    local = local + 0.5 * (inner_error + unit * (1 + inner.value)) + unit * np.abs(slope) + x.rounding.underflow
    slope_error = CURVATURE * x.error + local
    out = dout.value * slope
    moved = dout.error * np.abs(slope) + dout.magnitude * slope_error
    return bounded(out, moved + unit * (np.abs(out) + moved) + x.rounding.underflow, x)


class _Inner(NamedTuple):
    argument: Float64  # w, or z = x/√2
    value: Float64  # t = tanh w, or erf z
    complement: Float64  # 1 − |value|, to full relative accuracy
    rate: Float64  # d value / d argument
    derivative: Float64  # d argument / dx
    roundings: float  # of the argument


def _inner(x: Float64, kind: str) -> _Inner:
    if kind == "gelu_tanh":
        w = ROOT * x * (1 + CUBIC * x**2)
        complement = 2 / (np.exp(np.minimum(2 * np.abs(w), 700)) + 1)
        return _Inner(w, np.tanh(w), complement, complement * (2 - complement), ROOT * (1 + 3 * CUBIC * x**2), 8)
    z = x / math.sqrt(2)
    rate = 2 / math.sqrt(math.pi) * np.exp(-(z**2))
    return _Inner(z, erf(z), erfc(np.abs(z)), rate, np.full_like(x, 1 / math.sqrt(2)), 4)


def _saturated(inner: _Inner, unit: float) -> NDArray[np.bool_]:
    return inner.complement < unit / 32


def _inner_error(inner: _Inner, unit: float) -> Float64:
    rounded_argument = inner.roundings * unit * np.abs(inner.argument) * inner.rate
    # erf counts absolutely: fused kernels take a polynomial times exp(−z²) (Abramowitz & Stegun 1964, 7.1.26), which
    # is good to a few u of 1, not of erf(z).
    magnitude = np.abs(inner.value) if inner.roundings == 8 else 1.0
    error = ELEMENTARY * unit * magnitude + rounded_argument
    # 1e-9 because the complement itself is computed in float64.
    return np.where(_saturated(inner, unit), inner.complement * (1 + 1e-9), error)


def _slope(x: Float64, inner: _Inner, kind: str) -> Float64:
    if kind == "gelu_tanh":
        return 0.5 * (1 + inner.value) + 0.5 * x * inner.rate * inner.derivative
    return 0.5 * (1 + inner.value) + x * np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
