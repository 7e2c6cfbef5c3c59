"""Softmax over the last axis: scores become positive weights that sum to 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.rows import along, along_rows, as_before, as_rows, laid_out, maxima, row_sums, sums
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore, scoped, unflattened


class SoftmaxCache(NamedTuple):
    """What softmax_backward needs: its own result."""

    probabilities: Array  # (N, W), as rows


def softmax_forward(x: Array, record: Record = ignore) -> tuple[Array, SoftmaxCache]:
    """Return p = exp(x − max) / Σ exp(x − max) over the last axis.

    Subtracting the maximum changes nothing but keeps exp from overflowing. An entry of −inf gets exactly 0; a row of
    nothing but −inf has no softmax and gives NaN. Shapes: x (…, W) → p (…, W).
    """
    rows = as_rows(x)
    probabilities, _, _ = softmax_of_rows(rows, unflattened(record, x))
    return as_before(probabilities, x), SoftmaxCache(probabilities)


def softmax_backward(dout: Array, cache: SoftmaxCache) -> Array:
    """Return dx = p · (dp − Σ p·dp) for dout = dp (…, W); exactly 0 where p is 0 (6.5)."""
    probabilities = cache.probabilities
    dx = probabilities * as_rows(dout)
    dot = row_sums(dx)
    dx -= probabilities * along_rows(dot, dx.shape[1])
    return as_before(dx, dout)


def softmax_of_rows(rows: Array, record: Record) -> tuple[Array, Array, Array]:
    """Return p (N, W), the maximum (N,) and the sum of the shifted exponentials (N,): cross-entropy needs them all."""
    record = scoped(record, "softmax")
    x, axis = laid_out(rows)  # short rows as columns, which NumPy goes along faster
    largest = maxima(x, axis)  # (6.1)
    record("max", largest)
    exponentials = x - along(largest, x, axis)
    np.exp(exponentials, out=exponentials)  # (6.2)
    record("exponentials", exponentials if axis else exponentials.T)
    total = sums(exponentials, axis)  # (6.3)
    record("sum", total)
    probabilities = np.divide(exponentials, along(total, x, axis), out=exponentials)  # (6.4)
    return probabilities if axis else probabilities.T.copy(), largest, total
