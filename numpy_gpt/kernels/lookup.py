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
    entries = ids[..., None] * width + np.arange(width)
    np.add.at(table.reshape(-1), entries.reshape(-1), rows.reshape(-1))
    return table


def pick(x: Array, ids: Tokens) -> Array:
    """Return x[n, ids[n]] of each row n. (…, W), (…) → (…)."""
    return x.reshape(-1).take(_entries(x, ids)).reshape(ids.shape)


def subtract_at_(x: Array, ids: Tokens, number: float) -> Array:
    """Subtract a number from x[n, ids[n]] of each row n. (…, W), (…)."""
    x.reshape(-1)[_entries(x, ids)] -= number
    return x


def _entries(x: Array, ids: Tokens) -> Tokens:
    """Return where the entries are in the flat array: one index is quicker than two."""
    return _row_starts(ids.size, x.shape[-1]) + ids.reshape(-1)


@lru_cache(maxsize=8)
def _row_starts(rows: int, width: int) -> Tokens:
    return np.arange(0, rows * width, width)
