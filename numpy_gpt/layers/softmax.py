"""Softmax over the last axis: scores become positive weights that sum to 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.rows import along_rows, equal_row_sums, row_maxima, row_sums
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.record import Record, ignore, within


class SoftmaxCache(NamedTuple):
    """What softmax_backward needs: its own result."""

    probabilities: Array


def softmax_forward(x: Array, record: Record = ignore) -> tuple[Array, SoftmaxCache]:
    """Return p = exp(x − max) / Σ exp(x − max) over the last axis.

    Subtracting the maximum changes nothing but keeps exp from overflowing. An entry of −inf gets exactly 0; a row of
    nothing but −inf has no softmax and gives NaN. Shapes: x (…, N) → p (…, N).
    """
    probabilities, _, _ = softmax_with_sum(x, record)
    return probabilities, SoftmaxCache(probabilities)


def softmax_backward(dout: Array, cache: SoftmaxCache) -> Array:
    """Return dx = p · (dp − Σ p·dp) for dout = dp (…, N); exactly 0 where p is 0 (6.5)."""
    probabilities = cache.probabilities
    dx = probabilities * dout
    dot = row_sums(dx)
    dx -= probabilities * along_rows(dot, dx.shape[-1])
    return dx


def softmax_with_sum(x: Array, record: Record) -> tuple[Array, Array, Array]:
    """Return p (…, N), the maximum (…, 1) and the sum of the shifted exponentials (…, 1): cross-entropy needs all."""
    record, width = within(record, "softmax"), x.shape[-1]
    largest = row_maxima(x)  # (6.1)
    record("max", largest[..., 0])
    exponentials = x - along_rows(largest, width)
    np.exp(exponentials, out=exponentials)  # (6.2)
    record("exponentials", exponentials)
    total = equal_row_sums(exponentials)  # (6.3)
    record("sum", total[..., 0])
    probabilities = np.divide(exponentials, along_rows(total, width), out=exponentials)  # (6.4)
    return probabilities, largest, total
