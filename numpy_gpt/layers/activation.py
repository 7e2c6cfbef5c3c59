"""The feed-forward network's activation: GPT-2's tanh GELU, the exact erf GELU, or ReLU.

GELU is x·Φ(x), x times the probability that a standard normal number lies below it (Hendrycks & Gimpel 2016);
GPT-2 computes it through a tanh that differs from the exact one by up to 5e-4. Mixing the two up is a common reason
why a port does not reproduce a checkpoint.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.erf import erf
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore

_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


class _Constants(NamedTuple):
    """What the formulas multiply with and add, as 0-d arrays of a dtype: a Python number is converted in each call."""

    half: Array
    one: Array
    linear: Array
    cubic: Array
    slope: Array
    slope_quadratic: Array


@lru_cache(maxsize=4)
def _constants(dtype: np.dtype[np.floating]) -> _Constants:
    slope = 2 * _SQRT_2_OVER_PI
    values = (0.5, 1, _SQRT_2_OVER_PI, _CUBIC * _SQRT_2_OVER_PI, slope, slope * 3 * _CUBIC)
    return _Constants(*(np.array(value, dtype) for value in values))


class ActivationCache(NamedTuple):
    """What activation_backward needs; ``gate`` is ½(1 + tanh w) or ½(1 + erf(x/√2)), and None for ReLU."""

    x: Array
    gate: Array | None
    kind: str


def activation_forward(x: Array, kind: str, record: Record = ignore) -> tuple[Array, ActivationCache]:
    """Return activation(x), elementwise, for ``kind`` gelu_tanh (5.3), gelu_erf (5.6) or relu (5.8)."""
    if kind == "relu":
        return np.maximum(x, 0), ActivationCache(x, None, kind)
    constants = _constants(x.dtype)
    if kind == "gelu_tanh":
        inner: Array = x * x
        inner *= constants.cubic
        inner += constants.linear
        inner *= x  # (5.1): √(2/π)·(x + 0.044715·x³), x taken out so that x³ cannot overflow alone
        record("gelu.argument", inner)
        np.tanh(inner, out=inner)  # (5.2)
        record("gelu.tanh", inner)
    else:
        inner = erf(x / math.sqrt(2))  # (5.5)
        record("gelu.erf", inner)
    gate = inner
    gate += constants.one
    gate *= constants.half
    return x * gate, ActivationCache(x, gate, kind)  # (5.3) and (5.6): ½·x·(1 + inner)


def activation_backward(dout: Array, cache: ActivationCache) -> Array:
    """Return dx for dout of x's shape."""
    x, gate, kind = cache
    if gate is None:
        return np.where(x <= 0, 0, dout)  # (5.9): at exactly 0 the slope is taken as 0, and at NaN as 1, as in torch
    constants = _constants(x.dtype)
    slope = x * x
    if kind == "gelu_tanh":
        # (5.4): ½·(1 + t) + ½·x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²), where ½·(1 − t²) = 2·gate·(1 − gate)
        slope *= constants.slope_quadratic
        slope += constants.slope
        slope *= gate * (constants.one - gate)  # before x: 0 where tanh is ±1, as long as x² is finite
        slope *= x
    else:
        # (5.7): ½·(1 + erf(x/√2)) + x·exp(−x²/2)/√(2π)
        slope *= -0.5
        np.exp(slope, out=slope)
        slope *= x
        slope *= 1 / math.sqrt(2 * math.pi)
    slope += gate
    slope *= dout
    return slope
