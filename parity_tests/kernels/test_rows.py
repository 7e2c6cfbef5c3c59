"""Sums, means and maxima of rows equal NumPy's own reductions, whichever algorithm is used."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.kernels.rows import (
    column_sum,
    divide_per_row_,
    multiply_per_row_,
    row_dot,
    row_max,
    row_mean,
    row_mean_keepdims,
    row_sum,
    subtract_per_row,
    subtract_row_max,
)
from parity_tests.support.comparator import assert_close

WIDTHS = (1, 2, 3, 7, 8, 9, 10, 16, 17, 31, 32, 33, 34, 48, 64, 65, 66, 127, 128, 129, 130, 512, 514, 1000)
COUNTS = (1, 2, 5, 16, 17, 67)
DTYPES = ("float32", "float64")


def whole(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


def arrangements(x):
    """Return x (N, W) as it is, with its rows' axis outermost in memory, and with three leading axes."""
    yield x
    yield x.T.copy().T
    yield np.stack([x, x])[None]


def assert_same(found, expected, dtype):
    assert found.dtype == dtype
    assert np.array_equal(found, np.broadcast_to(expected, found.shape))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_whole_sums_are_exact(width, count, dtype):
    rows = whole((count, width), dtype)
    for x in arrangements(rows):
        assert_same(row_sum(x), rows.sum(1), dtype)
        assert_same(row_dot(x, 2 * x), (2 * rows * rows).sum(1), dtype)
        assert_same(column_sum(x), x.reshape(-1, width).sum(0), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", (*WIDTHS, 6))
def test_means(width, dtype):
    rows = whole((6, width), dtype)
    rounding = 4 * width * np.finfo(dtype).eps * 9
    for x in arrangements(rows):
        expected = x.mean(-1)
        assert row_mean(x).dtype == row_mean_keepdims(x).dtype == dtype
        assert_close("means of rows", row_mean(x), expected, rounding)
        assert_close("means of rows, kept", row_mean_keepdims(x) + 0 * x, expected[..., None] + 0 * x, rounding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_maximum_is_found_anywhere(width, dtype):
    rows = np.full((width, 2, width), -np.inf, dtype)
    rows[np.arange(width), :, np.arange(width)] = np.arange(width)[:, None] - 5
    expected = np.repeat(np.arange(width) - 5, 2)
    rows = rows.reshape(-1, width)
    for x in arrangements(rows):
        assert_same(row_max(x), expected, dtype)
        shifted, largest = subtract_row_max(x)
        assert_same(largest, expected, dtype)
        assert_same(shifted, rows - expected[:, None], dtype)
    turned = rows.T  # rows that do not lie in one piece
    assert np.array_equal(row_max(turned), np.maximum.reduce(turned, axis=1))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_nan_is_the_maximum_of_its_row_alone(width):
    rows = np.zeros((width, width))
    np.fill_diagonal(rows[1:], np.nan)
    expected = np.arange(width) > 0
    for x in arrangements(rows):
        for found in (row_max(x), subtract_row_max(x)[1]):
            assert np.array_equal(np.isnan(found), np.broadcast_to(expected, found.shape))


@pytest.mark.parametrize("width", WIDTHS)
def test_equal_rows_have_equal_sums(width):
    row = np.random.default_rng(width).normal(size=width).astype("float32")
    found = []
    for count in COUNTS:
        rows = np.tile(row, (count, 1))
        arranged = subtract_row_max(rows)[0]  # softmax sums in this memory order
        arranged[...] = rows
        found += [row_sum(x).reshape(-1) for x in (rows, rows[None], arranged)]
    assert len(np.unique(np.concatenate(found))) == 1


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_one_number_per_row(width, count):
    numbers, rows = whole((count,)) + 10, whole((count, width), seed=1)
    column = numbers[:, None]
    for x in arrangements(rows):
        each = np.broadcast_to(numbers, x.shape[:-1]).copy()
        assert_same(subtract_per_row(x, each), rows - column, "float32")
        for kernel, expected in ((multiply_per_row_, rows * column), (divide_per_row_, rows / column)):
            written = x.copy(order="K")
            out = kernel(written, each)
            assert_same(out, expected, "float32")
            assert_same(written, expected, "float32")
        assert out.flags.c_contiguous
