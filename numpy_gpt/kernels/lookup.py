"""Rows of a table, and single entries of rows, by whole numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from numpy_gpt.shared.model.arrays import Array, Tokens


def gather_rows(table: Array, ids: Tokens) -> Array:
    """Return table[ids], in 0.6 of the time of indexing. (V, W), (…) → (…, W)."""
    return table.take(ids, axis=0)


def scatter_add_(table: Array, ids: Tokens, rows: Array) -> Array:
    """Add each row to the table's row of its id; repeated ids add up, in their order. (V, W), (…), (…, W).

    ``np.add.at`` of single numbers in a flat array takes half the time of rows. ``table`` must be C-contiguous.
    """
    width = table.shape[1]
    entries = ids.astype(np.intp, copy=False)[..., None] * width + np.arange(width)
    np.add.at(table.reshape(-1), entries.reshape(-1), rows.reshape(-1))
    return table


def entries_of(x: Array, ids: Tokens) -> Tokens:
    """Return where x[n, ids[n]] is in the flat x, for each row n; no two are equal. (…, W), (…) → (N).

    Looking up by one index is faster than by two.
    """
    return _row_starts(ids.size, x.shape[-1]) + ids.reshape(-1)


def pick(x: Array, entries: Tokens) -> Array:
    """Return so many entries of x. (…), (N) → (N)."""
    return x.reshape(-1).take(entries)


def subtract_at_(x: Array, entries: Tokens, number: float) -> Array:
    """Subtract a number from entries of x that are all different. (…), (N) → (…)."""
    x.reshape(-1)[entries] -= number
    return x


@lru_cache(maxsize=8)
def _row_starts(rows: int, width: int) -> Tokens:
    return np.arange(0, rows * width, width)
