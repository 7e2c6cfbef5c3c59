"""RMSNorm: scale each position's channels to a mean square of 1, without shift or weights (Zhang & Sennrich 2019)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.rows import multiply_per_row, multiply_per_row_, row_mean, row_mean_keepdims
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore


class RMSNormCache(NamedTuple):
    """What rms_norm_backward needs; ``normalized`` is the output before a change by ``record``."""

    normalized: Array
    rrms: Array


def rms_norm_forward(x: Array, epsilon: float, record: Record = ignore) -> tuple[Array, RMSNormCache]:
    """Return y = x / √(mean(x²) + ε), over the last axis.

    Shapes: x (…, C) → y (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    mean_square = row_mean(x * x)  # (19.1)
    record("mean_square", mean_square)
    rrms = np.reciprocal(np.sqrt(mean_square + epsilon))  # (19.2)
    record("rrms", rrms)
    normalized = multiply_per_row(x, rrms)  # (19.3)
    y = record("out", normalized)
    return y, RMSNormCache(normalized, rrms)


def rms_norm_backward(dy: Array, cache: RMSNormCache, record: Record = ignore) -> Array:
    """Return dx for dy (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    normalized, rrms = cache
    dy = record("dout", dy)

    # (19.4) undoes (19.3) to (19.1). Scaling x hardly changes y, so dx has hardly any part along y: it is subtracted.
    dx = dy - normalized * row_mean_keepdims(dy * normalized)
    multiply_per_row_(dx, rrms)
    record("dx", dx)
    return dx
