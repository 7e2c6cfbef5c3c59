"""A linear layer, y = x w + b: every matrix product with a weight is this one."""

from __future__ import annotations

from typing import NamedTuple

from numpy_gpt.layers.rows import column_sums
from numpy_gpt.shared.arrays import Array


class LinearCache(NamedTuple):
    """What linear_backward needs."""

    x: Array
    weight: Array
    has_bias: bool


def linear_forward(x: Array, weight: Array, bias: Array | None) -> tuple[Array, LinearCache]:
    """Return y = x w + b (2.1).

    Shapes: x (…, I), weight (I, O), bias (O,) or None → y (…, O).
    """
    rows = x.reshape(-1, x.shape[-1])  # one large product is faster than many small ones
    out = rows.dot(weight)  # of matrices the same as @, which first looks for axes to go through
    if bias is not None:
        out += bias
    return out.reshape(*x.shape[:-1], weight.shape[1]), LinearCache(x, weight, bias is not None)


def linear_backward(dout: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """Return (dx, dweight, dbias) for dout (…, O); dbias is None where there is no bias."""
    rows = cache.x.reshape(-1, cache.x.shape[-1])
    drows = dout.reshape(-1, dout.shape[-1])
    dbias = column_sums(drows) if cache.has_bias else None  # (2.4): the bias was broadcast over every row
    dweight = rows.T.dot(drows)  # (2.3)
    dx = drows.dot(cache.weight.T)  # (2.2)
    return dx.reshape(cache.x.shape), dweight, dbias
