"""Layer norm: shift each position's channels to mean 0 and scale them to variance 1 (Ba, Kiros & Hinton 2016)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.rows import (
    column_sum,
    multiply_per_row_,
    row_mean,
    row_mean_keepdims,
    subtract_per_row,
)
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore


class LayerNormCache(NamedTuple):
    """What layer_norm_backward needs."""

    normalized: Array
    rstd: Array
    weight: Array
    has_bias: bool


def layer_norm_forward(
    x: Array, weight: Array, bias: Array | None, epsilon: float, record: Record = ignore
) -> tuple[Array, LayerNormCache]:
    """Return y = (x − mean) / √(variance + ε) · weight + bias, over the last axis.

    The variance is that of the centered values: mean(x²) − mean(x)² would lose every digit to cancellation if the mean
    is large. Shapes: x (…, C), weight (C), bias (C) or None → y (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    mean = row_mean(x)  # (4.1)
    record("mean", mean)
    centered = subtract_per_row(x, mean)  # (4.2)
    record("centered", centered)
    variance = row_mean(centered * centered)  # (4.3)
    record("variance", variance)
    rstd = np.reciprocal(np.sqrt(variance + epsilon))  # (4.4)
    record("rstd", rstd)
    normalized = multiply_per_row_(centered, rstd)  # (4.5)
    record("normalized", normalized)
    y = normalized * weight  # (4.6)
    if bias is not None:
        y += bias
    y = record("out", y)
    return y, LayerNormCache(normalized, rstd, weight, bias is not None)


def layer_norm_backward(dy: Array, cache: LayerNormCache, record: Record = ignore) -> tuple[Array, Array, Array | None]:
    """Return (dx, dweight, dbias) for dy (…, C); dbias is None if there is no bias.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    normalized, rstd, weight, has_bias = cache
    dy = record("dout", dy)
    dbias = column_sum(dy) if has_bias else None  # (4.8) undoes (4.6)
    dweight = column_sum(dy * normalized)  # (4.7) undoes (4.6)
    dnormalized = dy * weight  # (4.9) undoes (4.6)
    record("dnormalized", dnormalized)

    # (4.10) undoes (4.5) to (4.1). A shift of x does not change `normalized`, and scaling x hardly does. So dx has no
    # part along the constant vector, and hardly any along `normalized`: both are subtracted.
    dx = dnormalized - row_mean_keepdims(dnormalized)
    dx -= normalized * row_mean_keepdims(dnormalized * normalized)
    multiply_per_row_(dx, rstd)
    record("dx", dx)
    return dx, dweight, dbias
