"""Layer norm: each position's channels are shifted to mean 0 and scaled to variance 1 (Ba, Kiros & Hinton 2016)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.rows import along_rows, as_before, as_rows, column_sums, means_along_rows, row_means
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore, unflattened


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

    The variance is that of the centered values: in one pass, mean(x²) − mean(x)² would cancel away every digit as
    soon as the mean is large. Shapes: x (…, C), weight (C,), bias (C,) or None → y (…, C).
    """
    rows, record = as_rows(x), unflattened(record, x)
    width = len(weight)
    mean = row_means(rows)  # (4.1)
    record("mean", mean)
    centered = rows - along_rows(mean, width)  # (4.2)
    record("centered", centered)
    variance = row_means(centered * centered)  # (4.3)
    record("variance", variance)
    rstd = np.reciprocal(np.sqrt(variance + epsilon))  # (4.4)
    record("rstd", rstd)
    normalized = np.multiply(centered, along_rows(rstd, width), out=centered)  # (4.5)
    record("normalized", normalized)
    out = normalized * weight  # (4.6)
    if bias is not None:
        out += bias
    record("out", out)
    return as_before(out, x), LayerNormCache(normalized, rstd, weight, bias is not None)


def layer_norm_backward(
    dout: Array, cache: LayerNormCache, record: Record = ignore
) -> tuple[Array, Array, Array | None]:
    """Return (dx, dweight, dbias) for dout (…, C); dbias is None where there is no bias."""
    rows, record, normalized = as_rows(dout), unflattened(record, dout), cache.normalized
    record("dout", rows)
    dbias = column_sums(rows) if cache.has_bias else None  # (4.8)
    dweight = column_sums(rows * normalized)  # (4.7)
    dnormalized = rows * cache.weight  # (4.9)
    record("dnormalized", dnormalized)

    # (4.10) undoes (4.5) to (4.1) at once. A shift of x does not change `normalized`, nor does a scaling but for ε. So
    # the gradient cannot have a part along the constant vector, or much of one along `normalized`: both are taken out.
    along_constant = means_along_rows(dnormalized)
    along_normalized = means_along_rows(dnormalized * normalized)
    dx = dnormalized - along_constant
    dx -= normalized * along_normalized
    dx *= along_rows(cache.rstd, len(cache.weight))
    return as_before(dx, dout), dweight, dbias
