"""Looking up rows of a table, and single entries of rows, by index."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numpy_gpt.shared.model.arrays import Array, Tokens, read_only


def gather_rows(table: Array, ids: Tokens) -> Array:
    """Return table[ids]. Gain of ``take`` over indexing: 0.26, 0.75. (V, W), (…) → (…, W)."""
    return table.take(ids, axis=0)


def scatter_add_(table: Array, ids: Tokens, rows: Array) -> Array:
    """Add each row to the table's row with its id; repeated ids accumulate, in order. (V, W), (…), (…, W).

    ``np.add.at`` is faster on single numbers of a flat array than on rows: gain 0.68, 0.26. ``table`` must be
    C-contiguous.
    """
    width = table.shape[1]
    entries = ids.astype(np.intp, copy=False)[..., None] * width + _columns(width)
    np.add.at(table.reshape(-1), entries.reshape(-1), rows.reshape(-1))
    return table


def flat_indices(x: Array, ids: Tokens) -> Tokens:
    """Return the index of x[n, ids[n]] in the flattened x, for each row n; all are different. (…, W), (…) → (N).

    Indexing with one array is faster than with two: gain of both together 1.10 for 128 rows of 32, 0.61 for 768 of 65.
    """
    return _row_starts(ids.size, x.shape[-1]) + ids.reshape(-1)


def pick(x: Array, entries: Tokens) -> Array:
    """Return the entries of the flattened x at these indices. (…), (N) → (N)."""
    return x.reshape(-1).take(entries)


def subtract_at_(x: Array, entries: Tokens, number: float) -> Array:
    """Subtract a number from the entries of x at these flat indices, which must all be different. (…), (N) → (…)."""
    np.subtract.at(x.reshape(-1), entries, x.dtype.type(number))
    return x


@lru_cache(maxsize=8)
def _row_starts(rows: int, width: int) -> Tokens:
    return read_only(np.arange(0, rows * width, width))


@lru_cache(maxsize=8)
def _columns(width: int) -> Tokens:
    return read_only(np.arange(width))
