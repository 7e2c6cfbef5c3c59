"""A linear layer, y = x w + b: every matrix product with a weight is this one."""

from __future__ import annotations

from typing import NamedTuple

from numpy_gpt.layers.rows import as_before, as_rows, column_sums
from numpy_gpt.shared.model.arrays import Array


class LinearCache(NamedTuple):
    """What linear_backward needs."""

    rows: Array
    weight: Array
    has_bias: bool


def linear_forward(x: Array, weight: Array, bias: Array | None) -> tuple[Array, LinearCache]:
    """Return y = x w + b (2.1).

    Shapes: x (…, I), weight (I, O), bias (O,) or None → y (…, O).
    """
    rows = as_rows(x)  # one large product is faster than many small ones
    out = rows.dot(weight)  # of matrices the same as @, which first looks for axes to go through
    if bias is not None:
        out += bias
    return as_before(out, x), LinearCache(rows, weight, bias is not None)


def linear_backward(dout: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """Return (dx, dweight, dbias) for dout (…, O); dbias is None where there is no bias."""
    drows = as_rows(dout)
    dbias = column_sums(drows) if cache.has_bias else None  # (2.4): the bias was broadcast over every row
    dweight = cache.rows.T.dot(drows)  # (2.3)
    dx = drows.dot(cache.weight.T)  # (2.2)
    return as_before(dx, dout), dweight, dbias
