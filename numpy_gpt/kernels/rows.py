"""Sums, means and maxima of rows, and arithmetic with one number per row.

NumPy pays about 20 ns for each row of a reduction or a broadcast, and the rows of a small model have 6 to 64 numbers:
``x - x.mean(-1, keepdims=True)`` spends most of its time between rows. Matrix products and operations along the long
axis do not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numpy_gpt.shared.model.arrays import Array, read_only

_FEW = 16  # rows: for up to this many, NumPy's own functions are as fast
_NARROW = 16  # up to this width, softmax works with the rows' axis outermost in memory
_SHORT = 32  # longer rows are halved for their maximum, if they have an even width
_LONG = 512  # but not rows longer than this
_SPREAD = 16  # up to this width, one product with a matrix is cheaper than one with a vector and a broadcast
WIDE = 128  # beyond this width, NumPy's own broadcast and maximum are as fast


def row_mean(x: Array) -> Array:
    """Return the mean of each row, as a product with a vector of 1/W. Gain 0.14, 0.20. (…, W) → (…)."""
    width = x.shape[-1]
    shares = _shares((width,), x.dtype)
    means: Array = x.dot(shares) if x.ndim == 2 else x.reshape(-1, width).dot(shares).reshape(x.shape[:-1])
    return means


def row_mean_keepdims(x: Array) -> Array:
    """Return the mean of each row in a form that broadcasts to x: (…, W) → (…, W) or (…, 1).

    For short rows it is one product with a (W, W) matrix of 1/W. Each column may round differently, so do not use it
    for the mean in a variance: Σ (x − mean) would no longer be almost 0. Gain of x minus it: 0.22, 0.48.
    """
    width = x.shape[-1]
    if width > _SPREAD:
        return _along_rows(row_mean(x), x)
    shares = _shares((width, width), x.dtype)
    spread: Array = x.dot(shares) if x.ndim == 2 else x.reshape(-1, width).dot(shares).reshape(x.shape)
    return spread


def row_dot(x: Array, y: Array) -> Array:
    """Return Σ x·y of each row, the sum as a product with a vector of ones. Gain 0.35, 0.55. (…, W), (…, W) → (…)."""
    products = x * y
    width = products.shape[-1]
    ones = _ones(width, products.dtype)
    sums: Array = products.dot(ones) if x.ndim == 2 else products.reshape(-1, width).dot(ones).reshape(x.shape[:-1])
    return sums


def row_sum(x: Array) -> Array:
    """Return the sum of each row; equal rows have equal sums, wherever they are. (…, W) → (…).

    That is why it is not a product with ones, whose rounding also depends on the row's position: equal logits must get
    equal probabilities. Rows of up to 32 numbers are added from first to last. Gain 0.68, 0.32.
    """
    sums: Array
    if _is_row_axis_outermost(x):
        sums = np.add.reduce(x, axis=-1)
    elif x.shape[-1] > _SHORT:
        sums = np.einsum("...w->...", x)
    elif x.size > _FEW * x.shape[-1]:
        sums = np.add.reduce(_with_row_axis_outermost(x), axis=-1)
    else:
        sums = np.add.accumulate(x, axis=-1)[..., -1]
    return sums


def column_sum(x: Array) -> Array:
    """Return the sum over all leading axes, as a product with a vector of ones. Gain 0.28, 0.26. (…, W) → (W)."""
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    sums: Array = np.dot(_ones(len(rows), rows.dtype), rows)
    return sums


def subtract_row_max(x: Array) -> tuple[Array, Array]:
    """Return x minus the maximum of its row, and the maxima, NaN for a row with a NaN. (…, W) → (…, W), (…).

    Many narrow rows are returned with the rows' axis outermost in memory, so that all later operations run along the
    long axis. Gain of a whole softmax: 0.39 for 256 rows of 8, 0.66 for 128 rows of 32, 0.85 for 768 rows of 65.
    """
    if x.shape[-1] <= _NARROW and x.size > _FEW * x.shape[-1]:
        x = _with_row_axis_outermost(x)
        largest = np.maximum.reduce(x, axis=-1)
        return x - largest[..., None], largest
    largest = row_max(x)
    return x - _along_rows(largest, x), largest


def row_max(x: Array) -> Array:
    """Return the maximum of each row, NaN for a row with a NaN. (…, W) → (…).

    A maximum along short rows is slow; an elementwise maximum of the two halves of all rows is fast. So rows are
    halved, then copied with the rows' axis outermost: gain 0.34 for 128 rows of 32, 0.48 for 3,072 rows of 64.
    """
    largest: Array
    if x.size <= _FEW * x.shape[-1] or _is_row_axis_outermost(x):
        largest = np.maximum.reduce(x, axis=-1)
        return largest
    width = x.shape[-1]
    while _SHORT < width <= _LONG and width % 2 == 0:
        width //= 2
        x = np.maximum(x[..., :width], x[..., width:])
    largest = np.maximum.reduce(x if width > WIDE else _with_row_axis_outermost(x), axis=-1)
    return largest


def subtract_per_row(x: Array, numbers: Array) -> Array:
    """Return x minus the number of its row. Gain 1.03, 0.71. (…, W), (…) → (…, W)."""
    difference: Array = x - _along_rows(numbers, x)
    return difference


def multiply_per_row(x: Array, numbers: Array) -> Array:
    """Return x times the number of its row. (…, W), (…) → (…, W)."""
    product: Array = x * _along_rows(numbers, x)
    return product


def multiply_per_row_(x: Array, numbers: Array) -> Array:
    """Return x times the number of its row, written over x. (…, W), (…) → (…, W)."""
    x *= _along_rows(numbers, x)
    return x


def divide_per_row_(x: Array, numbers: Array) -> Array:
    """Return x divided by the number of its row, written over x if C-contiguous, else copied. (…, W), (…) → (…, W)."""
    x /= _along_rows(numbers, x)
    return x if x.flags.c_contiguous else x.copy()


def _along_rows(numbers: Array, x: Array) -> Array:
    """Return an array that broadcasts to x, with each number repeated along its row. (…) → (…, W) or (…, 1)."""
    column, width = numbers[..., None], x.shape[-1]
    if numbers.size <= _FEW or width > WIDE or x.strides[-1] != x.itemsize:
        return column
    # Repeating the numbers costs less than a broadcast along short rows. With an axis, repeat returns a new array
    # rather than a view, so NumPy can reuse it for the result of a product.
    return column.repeat(width, -1)


def _with_row_axis_outermost(x: Array) -> Array:
    if x.ndim == 2:
        return x.T.copy().T
    return x.reshape(-1, x.shape[-1]).T.copy().T.reshape(x.shape)


def _is_row_axis_outermost(x: Array) -> bool:
    return x.strides[-1] > x.itemsize


@lru_cache(maxsize=64)
def _shares(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Array:
    return read_only(np.full(shape, 1 / shape[0], dtype))


@lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype[np.floating]) -> Array:
    return read_only(np.ones(count, dtype))
