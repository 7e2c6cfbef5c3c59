"""A linear layer, y = x w + b: every matrix product with a weight goes through it."""

from __future__ import annotations

from typing import NamedTuple

from numpy_gpt.kernels.products import matmul, transposed_matmul
from numpy_gpt.kernels.rows import column_sum
from numpy_gpt.shared.model.arrays import Array


class LinearCache(NamedTuple):
    """What linear_backward needs."""

    x: Array
    weight: Array
    has_bias: bool


def linear_forward(x: Array, weight: Array, bias: Array | None) -> tuple[Array, LinearCache]:
    """Return y = x w + b (2.1).

    Shapes: x (…, I), weight (I, O), bias (O) or None → y (…, O).
    """
    y = matmul(x, weight)  # (2.1)
    if bias is not None:
        y += bias
    return y, LinearCache(x, weight, bias is not None)


def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """Return (dx, dweight, dbias) for dy (…, O); dbias is None if there is no bias."""
    dbias = column_sum(dy) if cache.has_bias else None  # (2.4): the bias was broadcast over every position
    dweight = transposed_matmul(cache.x, dy)  # (2.3)
    dx = matmul(dy, cache.weight.T)  # (2.2)
    return dx, dweight, dbias
