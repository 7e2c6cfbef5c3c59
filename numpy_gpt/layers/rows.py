"""Sums and maxima over the last axis or over the others, each by the quickest of NumPy's ways to the same number.

``np.add.reduce``, ``np.maximum.reduce`` and broadcasting pay for every row anew, and a model's rows are short.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numpy_gpt.shared.arrays import Array, Tokens

_FEW = 16  # so many rows are not worth any trick
_SHORT = 32  # longer rows are laid on each other by halves for their maximum, as long as they have halves
_LONG = 512  # unless they are so long that this costs more than it saves
_SPREAD = 16  # up to here, a product with a matrix costs less than one with a vector whose numbers go along rows
_WIDE = 128  # up to here, turning rows into columns pays for their maximum, and writing a number along its row, too


def row_sums(x: Array) -> Array:
    """Return Σ x over the last axis: a product with a vector of ones. Shapes: x (…, N) → (…, 1)."""
    width = x.shape[-1]
    sums: Array = x.reshape(-1, width).dot(_ones(width, x.dtype))
    return sums.reshape((*x.shape[:-1], 1))


def row_means(x: Array) -> Array:
    """Return the mean over the last axis: a product with a vector of 1/N. Shapes: x (…, N) → (…, 1)."""
    width = x.shape[-1]
    means: Array = x.reshape(-1, width).dot(_shares((width,), x.dtype))
    return means.reshape((*x.shape[:-1], 1))


def means_along_rows(x: Array) -> Array:
    """Return what broadcasts to rows of x in which their mean stands at each place.

    Where rows are short, one product with a matrix does that. It may round otherwise at each place, so it is nothing
    for the mean of a variance: Σ (x − mean) would no longer be all but 0. Shapes: x (…, N) → (…, N) or (…, 1).
    """
    width = x.shape[-1]
    if width > _SPREAD:
        return along_rows(row_means(x), width)
    means: Array = x.reshape(-1, width).dot(_shares((width, width), x.dtype))
    return means.reshape(x.shape)


def column_sums(x: Array) -> Array:
    """Return Σ x over all axes but the last. Shapes: x (…, N) → (N,)."""
    rows = x.reshape(-1, x.shape[-1])
    out: Array = _ones(len(rows), x.dtype).dot(rows)
    return out


def equal_row_sums(x: Array) -> Array:
    """Return Σ x over the last axis, where equal rows must have equal sums: a product rounds by a row's place, too.

    Shapes: x (…, N) → (…, 1).
    """
    out: Array = np.einsum("...n->...", x)[..., None]
    return out


def row_maxima(x: Array) -> Array:
    """Return the maximum over the last axis, NaN where a row holds one. Shapes: x (…, N) → (…, 1)."""
    width = x.shape[-1]
    if x.size <= _FEW * width:
        return np.maximum.reduce(x, axis=-1, keepdims=True)
    while _SHORT < width <= _LONG and width % 2 == 0:
        width //= 2
        x = np.maximum(x[..., :width], x[..., width:])
    if width > _WIDE:
        return np.maximum.reduce(x, axis=-1, keepdims=True)
    columns = np.ascontiguousarray(x.reshape(-1, width).T)
    maxima: Array = np.maximum.reduce(columns, axis=0)
    return maxima.reshape((*x.shape[:-1], 1))


def along_rows(column: Array, width: int) -> Array:
    """Return what broadcasts to rows (…, N) in which each of the numbers (…, 1) stands N times."""
    return column.repeat(width, -1) if width <= _WIDE else column


def add_rows(table: Array, places: Tokens, rows: Array) -> None:
    """Add each row to the table's row of its place, in place and in their order; repeated places add up.

    Shapes: table (V, N), C-contiguous; places (…), rows (…, N).
    """
    width = table.shape[1]
    entries = places.astype(np.intp)[..., None] * width + np.arange(width)
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
