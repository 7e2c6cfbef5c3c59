"""Rows and entries by whole numbers, as NumPy's indexing finds them."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.kernels.lookup import flat_indices, gather_rows, pick, scatter_add_, subtract_at_


def whole(shape, seed=0):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype("float32")


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64", "uint64"])
def test_repeated_ids_add_up(kind):
    ids = np.array([[250, 3, 250], [0, 250, 3]]).astype(kind)  # no small integer overflows
    rows, table = whole((2, 3, 5)), np.zeros((251, 5), "float32")
    expected = table.copy()
    for place in np.ndindex(ids.shape):
        expected[ids[place]] += rows[place]
    assert scatter_add_(table, ids, rows) is table
    assert np.array_equal(table, expected)
    assert np.array_equal(gather_rows(table, ids.astype(np.intp)), table[ids])  # which is how the models have them


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_one_entry_of_each_row(leading):
    x, ids = whole((*leading, 7)), np.random.default_rng(1).integers(0, 7, leading)
    entries = flat_indices(x, ids)
    expected = np.take_along_axis(x, ids[..., None], -1)[..., 0]
    assert np.array_equal(pick(x, entries).reshape(leading), expected)
    changed = subtract_at_(x.copy(), entries, 1)
    onehot = np.arange(7) == ids[..., None]
    assert np.array_equal(changed, x - onehot)


def test_an_index_that_does_not_exist_is_no_other():
    """The models check ids first; who calls a layer directly must not get another token's row."""
    table = whole((5, 3))
    assert np.array_equal(gather_rows(table, np.array([-1, 0])), table[[4, 0]])
    for find in (gather_rows, pick):
        with pytest.raises(IndexError):
            find(table, np.array([15]))
