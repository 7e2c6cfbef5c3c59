"""Softmax over the last axis: scores become positive weights that sum to 1."""

from __future__ import annotations

from typing import NamedTuple

from numpy_gpt.kernels.elementwise import exp_
from numpy_gpt.kernels.rows import divide_per_row_, row_dot, row_sum, subtract_per_row, subtract_row_max
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore, scoped, unflattened


class SoftmaxCache(NamedTuple):
    """What softmax_backward needs: its own result."""

    probabilities: Array


def softmax_forward(x: Array, record: Record = ignore) -> tuple[Array, SoftmaxCache]:
    """Return p = exp(x − max) / Σ exp(x − max) over the last axis.

    Subtracting the maximum prevents exp from overflowing and does not change the result. An entry of −inf gets exactly
    0; a row that is all −inf has no softmax and gives NaN. Shapes: x (…, W) → p (…, W).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    rows = x.reshape(-1, x.shape[-1])
    probabilities = softmax_of_rows(rows, unflattened(record, *x.shape[:-1]))[0].reshape(x.shape)
    return probabilities, SoftmaxCache(probabilities)


def softmax_backward(dp: Array, cache: SoftmaxCache) -> Array:
    """Return dx = p·(dp − Σ p·dp) for dp (…, W) (6.5); exactly 0 where p is 0."""
    p = cache.probabilities
    dx = subtract_per_row(dp, row_dot(p, dp))
    dx *= p  # (6.5) undoes (6.4) to (6.1)
    return dx


def softmax_of_rows(rows: Array, record: Record = ignore) -> tuple[Array, Array, Array]:
    """Return the softmax (N, W) with the maximum (N) and the sum of exponentials (N), which cross-entropy needs.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    record = scoped(record, "softmax")
    shifted, largest = subtract_row_max(rows)  # (6.1)
    record("max", largest)
    exponentials = exp_(shifted)  # (6.2)
    record("exponentials", exponentials)
    total = row_sum(exponentials)  # (6.3)
    record("sum", total)
    probabilities = divide_per_row_(exponentials, total)  # (6.4)
    return probabilities, largest, total
