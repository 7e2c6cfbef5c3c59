"""Sums and maxima of rows and columns equal NumPy's own reductions, by every path."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.layers.rows import (
    add_rows,
    along,
    along_rows,
    as_before,
    as_rows,
    column_sums,
    laid_out,
    maxima,
    means_along_rows,
    row_means,
    row_sums,
    sums,
)
from parity_tests.support.comparator import assert_close

WIDTHS = (1, 2, 3, 7, 8, 9, 10, 31, 32, 33, 34, 48, 64, 65, 66, 127, 128, 129, 130, 512, 514, 1000)
COUNTS = (1, 2, 5, 16, 17, 67)
DTYPES = ("float32", "float64")


def _whole(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7), (5, 2, 3, 7)])
def test_rows_and_back(shape):
    x = _whole(shape, "float32")
    rows = as_rows(x)
    assert rows.shape == (x.size // 7, 7)
    assert np.shares_memory(rows, x)
    assert np.array_equal(as_before(rows, x), x)
    assert as_before(rows[:, :2], x).shape == (*shape[:-1], 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_sums_of_whole_numbers_are_exact(width, count, dtype):
    x = _whole((count, width), dtype)
    laid, axis = laid_out(x)
    for found, expected in (
        (row_sums(x), x.sum(1)),
        (sums(x, 1), x.sum(1)),
        (sums(laid, axis), x.sum(1)),
        (sums(x.T.copy(), 0), x.sum(1)),
        (column_sums(x), x.sum(0)),
    ):
        assert found.dtype == dtype
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", (*WIDTHS, 6, 16, 17))
def test_row_means(width, dtype):
    x = _whole((6, width), dtype)
    means, spread = row_means(x), means_along_rows(x)
    assert means.dtype == spread.dtype == dtype
    assert means.shape == (6,)
    expected, rounding = x.mean(1), 4 * width * np.finfo(dtype).eps
    assert_close("means of rows", means, expected, rounding * 9)
    assert_close("means along rows", spread + 0 * x, expected[:, None] + 0 * x, rounding * 9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_maximum_is_found_anywhere(width, dtype):
    x = np.full((width, 2, width), -np.inf, dtype)
    x[np.arange(width), :, np.arange(width)] = np.arange(width)[:, None] - 5
    expected = np.repeat(np.arange(width) - 5, 2)
    for laid, axis in ((as_rows(x), 1), laid_out(as_rows(x)), (as_rows(x).T.copy(), 0)):
        assert maxima(laid, axis).dtype == dtype
        assert np.array_equal(maxima(laid, axis), expected)
    turned = as_rows(x).T  # rows that do not lie one after another
    assert np.array_equal(maxima(turned, 1), np.maximum.reduce(turned, axis=1))


@pytest.mark.parametrize("width", WIDTHS)
def test_nan_is_its_rows_maximum(width):
    x = np.zeros((width, width))
    np.fill_diagonal(x[1:], np.nan)
    for laid, axis in ((x, 1), laid_out(x)):
        assert np.array_equal(np.isnan(maxima(laid, axis)), np.arange(width) > 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_equal_rows_have_equal_sums(width):
    row = np.random.default_rng(width).normal(size=width).astype("float32")
    found = [sums(*laid_out(np.tile(row, (count, 1)))) for count in COUNTS]
    found += [sums(np.tile(row, (count, 1)), 1) for count in COUNTS]
    assert len(np.unique(np.concatenate(found))) == 1


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_along_rows_broadcast(width, count):
    numbers, rows = _whole((count,), "float32"), _whole((count, width), "float32", 1)
    expected = rows - numbers[:, None]
    assert along_rows(numbers, width).dtype == "float32"
    assert np.array_equal(rows - along_rows(numbers, width), expected)
    assert np.array_equal(rows - along(numbers, rows, 1), expected)
    assert np.array_equal(rows.T - along(numbers, rows.T, 0), expected.T)


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64", "uint64"])
def test_rows_of_repeated_places_add_up(kind):
    places = np.array([[250, 3, 250], [0, 250, 3]]).astype(kind)
    rows, table = _whole((2, 3, 5), "float32"), np.zeros((251, 5), "float32")
    expected = table.copy()
    for place in np.ndindex(places.shape):
        expected[places[place]] += rows[place]
    add_rows(table, places, rows)
    assert np.array_equal(table, expected)
