"""Sums and maxima of rows and columns: the numbers of NumPy's own reductions, whichever way is taken to them."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.layers.rows import (
    add_rows,
    along_rows,
    column_sums,
    equal_row_sums,
    means_along_rows,
    row_maxima,
    row_means,
    row_sums,
)
from parity_tests.comparator import assert_close

WIDTHS = (1, 2, 3, 7, 8, 9, 10, 31, 32, 33, 34, 48, 64, 65, 66, 127, 128, 129, 130, 512, 514, 1000)
DTYPES = ("float32", "float64")


def _whole(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_sums_of_whole_numbers_are_exact(width, dtype):
    x = _whole((2, 3, width), dtype)
    for sums, expected in (
        (row_sums(x), x.sum(-1, keepdims=True)),
        (equal_row_sums(x), x.sum(-1, keepdims=True)),
        (column_sums(x), x.sum((0, 1))),
    ):
        assert sums.dtype == dtype
        assert sums.shape == expected.shape
        assert np.array_equal(sums, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", (*WIDTHS, 6, 16, 17))
def test_means_beside_their_rows_and_along_them(width, dtype):
    x = _whole((2, 3, width), dtype)
    means, along = row_means(x), means_along_rows(x)
    assert means.dtype == along.dtype == dtype
    assert means.shape == (2, 3, 1)
    expected, rounding = x.mean(-1, keepdims=True), 4 * width * np.finfo(dtype).eps
    assert_close("means of rows", means, expected, rounding * 9)
    assert_close("means along rows", along + 0 * x, expected + 0 * x, rounding * 9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_maximum_is_found_wherever_it_stands(width, dtype):
    x = np.full((width, 2, width), -np.inf, dtype)
    x[np.arange(width), :, np.arange(width)] = np.arange(width)[:, None] - 5
    expected = np.broadcast_to(np.arange(width)[:, None, None] - 5, (width, 2, 1))
    assert row_maxima(x).dtype == dtype
    assert np.array_equal(row_maxima(x), expected)
    assert np.array_equal(row_maxima(x.swapaxes(0, 2)), np.maximum.reduce(x.swapaxes(0, 2), axis=-1, keepdims=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_nan_is_the_maximum_of_its_row_and_of_no_other(width):
    x = np.zeros((width, width))
    np.fill_diagonal(x[1:], np.nan)
    assert np.array_equal(np.isnan(row_maxima(x))[:, 0], np.arange(width) > 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_equal_rows_have_equal_sums_wherever_they_stand(width):
    row = np.random.default_rng(width).normal(size=width).astype("float32")
    for rows in (1, 2, 5, 67):
        assert len(np.unique(equal_row_sums(np.tile(row, (rows, 1))))) == 1
    assert equal_row_sums(row[None]) == equal_row_sums(np.tile(row, (9, 1)))[8]


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_along_rows_broadcast_as_they_would_by_themselves(width):
    column, rows = _whole((2, 3, 1), "float32"), _whole((2, 3, width), "float32", 1)
    spread = along_rows(column, width)
    assert spread.dtype == "float32"
    assert np.array_equal(rows - spread, rows - column)


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64", "uint64"])
def test_rows_of_repeated_places_add_up_and_no_small_integer_overflows(kind):
    places = np.array([[250, 3, 250], [0, 250, 3]]).astype(kind)
    rows, table = _whole((2, 3, 5), "float32"), np.zeros((251, 5), "float32")
    expected = table.copy()
    for place in np.ndindex(places.shape):
        expected[places[place]] += rows[place]
    add_rows(table, places, rows)
    assert np.array_equal(table, expected)
