"""A layer's input as rows of a matrix, and their sums and maxima, each by the quickest of NumPy's ways to the number.

``np.add.reduce``, ``np.maximum.reduce`` and broadcasting pay for every row anew, and a model's rows are short.

Axis letters: N rows, W their width. What there is one of for each row is (N,).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numpy_gpt.shared.model.arrays import Array, Tokens

_FEW = 16  # so many rows are not worth any trick
_NARROW = 16  # up to here, softmax works on columns throughout
_SHORT = 32  # longer rows are laid on each other by halves for their maximum, as long as they have halves
_LONG = 512  # unless they are so long that this costs more than it saves
_SPREAD = 16  # up to here, a product with a matrix costs less than one with a vector whose numbers go along rows
_WIDE = 128  # up to here, turning rows into columns pays for their maximum, and writing a number along its row, too


def as_rows(x: Array) -> Array:
    """Return x (…, W) as a matrix (N, W): the same numbers, not copied where they lie one after another."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def as_before(rows: Array, x: Array) -> Array:
    """Return rows (N, W), made of those of x, of any width, with the leading axes of x: (…, W)."""
    return rows if x.ndim == 2 else rows.reshape(x.shape[:-1] + rows.shape[1:])


def row_sums(rows: Array) -> Array:
    """Return Σ of each row: a product with a vector of ones. Shapes: (N, W) → (N,)."""
    out: Array = rows.dot(_ones(rows.shape[1], rows.dtype))
    return out


def row_means(rows: Array) -> Array:
    """Return the mean of each row: a product with a vector of 1/W. Shapes: (N, W) → (N,)."""
    means: Array = rows.dot(_shares((rows.shape[1],), rows.dtype))
    return means


def means_along_rows(rows: Array) -> Array:
    """Return what broadcasts to rows in which their mean stands at each place.

    Where rows are short, one product with a matrix does that. It may round otherwise at each place, so it is nothing
    for the mean of a variance: Σ (x − mean) would no longer be all but 0. Shapes: (N, W) → (N, W) or (N, 1), of
    a single row (1,).
    """
    width = rows.shape[1]
    if width > _SPREAD:
        return along_rows(row_means(rows), width)
    means: Array = rows.dot(_shares((width, width), rows.dtype))
    return means


def column_sums(rows: Array) -> Array:
    """Return Σ of each column. Shapes: (N, W) → (W,)."""
    out: Array = _ones(len(rows), rows.dtype).dot(rows)
    return out


def laid_out(rows: Array) -> tuple[Array, int]:
    """Return the rows as NumPy goes along them fastest, and along which axis: narrow ones as columns (W, N), axis 0."""
    if rows.shape[1] <= _NARROW and len(rows) > _FEW:
        return rows.T.copy(), 0
    return rows, 1


def sums(x: Array, axis: int) -> Array:
    """Return the N sums along an axis of a matrix; equal rows have equal sums, wherever and beside whatever they stand.

    A product with ones would be faster, but rounds by a row's place, too. Short rows, of up to 32, are added up from
    first to last, in whichever way.
    """
    out: Array
    if axis == 0:
        out = np.add.reduce(x, axis=0)
    elif x.shape[1] > _SHORT:
        out = np.einsum("nw->n", x)
    elif len(x) > _FEW:
        out = np.add.reduce(x.T.copy(), axis=0)
    else:
        out = np.add.accumulate(x, axis=1)[:, -1]
    return out


def maxima(x: Array, axis: int) -> Array:
    """Return the N maxima along an axis of a matrix, NaN where there is one."""
    out: Array
    if axis == 0 or len(x) <= _FEW:
        out = np.maximum.reduce(x, axis=axis)
        return out
    rows, width = x, x.shape[1]
    while _SHORT < width <= _LONG and width % 2 == 0:
        width //= 2
        rows = np.maximum(rows[:, :width], rows[:, width:])
    out = np.maximum.reduce(rows, axis=1) if width > _WIDE else np.maximum.reduce(rows.T.copy(), axis=0)
    return out


def along(numbers: Array, x: Array, axis: int) -> Array:
    """Return what broadcasts to the matrix x so that each of N numbers stands all along its column or row."""
    return numbers if axis == 0 else along_rows(numbers, x.shape[1])


def along_rows(numbers: Array, width: int) -> Array:
    """Return what broadcasts to rows (N, W) in which each of the numbers (N,) stands all along its row."""
    if len(numbers) == 1:
        return numbers  # to a single row it broadcasts as it is
    column = numbers[:, None]
    # To broadcast a column costs NumPy some 20 ns a row: for short rows, writing the numbers out costs less. With an
    # axis, repeat returns an array of its own, not a view of one, in which NumPy may put the result of a product.
    return column if len(numbers) <= _FEW or width > _WIDE else column.repeat(width, 1)


def add_rows(table: Array, places: Tokens, rows: Array) -> None:
    """Add each row to the table's row of its place, in place and in their order; repeated places add up.

    Shapes: table (V, W), C-contiguous; places (…), rows (…, W).
    """
    width = table.shape[1]
    entries = places.astype(np.intp, copy=False)[..., None] * width + np.arange(width)
    np.add.at(table.reshape(-1), entries.reshape(-1), rows.reshape(-1))  # single numbers are added faster than rows


@lru_cache(maxsize=64)
def _shares(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Array:
    return _shared(np.full(shape, 1 / shape[0], dtype))


@lru_cache(maxsize=64)
def _ones(count: int, dtype: np.dtype[np.floating]) -> Array:
    return _shared(np.ones(count, dtype))


def _shared(x: Array) -> Array:
    x.flags.writeable = False  # whoever asks gets the same
    return x
