"""The feed-forward network's activation: GPT-2's tanh GELU, the exact erf GELU, or ReLU.

GELU is x·Φ(x), x times the probability that a standard normal number lies below it (Hendrycks & Gimpel 2016). GPT-2
approximates it with a tanh, which differs by up to 5e-4. Confusing the two is a common reason why a port fails to
reproduce a checkpoint.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.elementwise import even_quadratic, exp_, half_of_one_plus_, multiply_, odd_cubic, tanh_
from numpy_gpt.kernels.erf import erf
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore

_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _SQRT_2_OVER_PI


class ActivationCache(NamedTuple):
    """What activation_backward needs; ``gate`` is ½·(1 + tanh w) or ½·(1 + erf(x/√2)), and None for ReLU."""

    x: Array
    gate: Array | None
    kind: str


def activation_forward(x: Array, kind: str, record: Record = ignore) -> tuple[Array, ActivationCache]:
    """Return activation(x), elementwise, for ``kind`` gelu_tanh (5.3), gelu_erf (5.6) or relu (5.8).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    if kind == "relu":
        return np.maximum(x, 0), ActivationCache(x, None, kind)  # (5.8)
    if kind == "gelu_tanh":
        argument = odd_cubic(x, _SQRT_2_OVER_PI, _CUBIC)  # (5.1): √(2/π)·(x + 0.044715·x³)
        record("gelu.argument", argument)
        tanh = tanh_(argument)  # (5.2)
        record("gelu.tanh", tanh)
        gate = half_of_one_plus_(tanh)
    else:
        e = erf(x / math.sqrt(2))  # (5.5)
        record("gelu.erf", e)
        gate = half_of_one_plus_(e)
    return x * gate, ActivationCache(x, gate, kind)  # (5.3) and (5.6): ½·x·(1 + t) and ½·x·(1 + e)


def activation_backward(dy: Array, cache: ActivationCache) -> Array:
    """Return dx for dy of x's shape."""
    x, gate, kind = cache
    if gate is None:
        return np.where(x <= 0, 0, dy)  # (5.9) undoes (5.8): slope 0 at exactly 0 and 1 at NaN, as in torch
    if kind == "gelu_tanh":
        # (5.4) undoes (5.3), (5.2), (5.1): ½·(1 + t) + ½·x·(1 − t²)·w′, where ½·(1 − t²) = 2·gate·(1 − gate)
        slope = even_quadratic(x, 2 * _SQRT_2_OVER_PI, 2 * 3 * _CUBIC)  # 2·w′
        slope *= gate * (1 - gate)  # before multiplying by x: this is 0 where tanh is ±1, while x² is still finite
    else:
        # (5.7) undoes (5.6), (5.5): ½·(1 + e) + x·exp(−x²/2)/√(2π)
        slope = exp_(multiply_(x * x, -0.5))
        slope = multiply_(slope, 1 / math.sqrt(2 * math.pi))
    slope *= x
    slope += gate
    slope *= dy
    return slope
