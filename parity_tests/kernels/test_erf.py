"""The error function against 50 digits: within its stated bound everywhere, and right at the extremes."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt.kernels.erf import erf
from numpy_gpt.tolerances.rounding import ELEMENTARY, rounding
from parity_tests.support.comparator import assert_close, assert_identical

DTYPES = (np.float32, np.float64)
UNITS = 6
"""The bound (16.7), in units u of the result: 2 less than the tolerances assume for every elementary function."""

POINTS = 1500
GRID = {np.float32: 512, np.float64: 2048}
LIMIT = {np.float32: 4.0, np.float64: 6.0}

_true = np.frompyfunc(lambda x: mpmath.erf(mpmath.mpf(float(x))), 1, 1)


def _assert_within_the_bound(name: str, x) -> None:
    with mpmath.workdps(50):
        truth = _true(x)
        # Compared here because the truth has more digits than an array can hold.
        error = np.abs(np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)(erf(x)) - truth).astype(np.float64)
    info = np.finfo(x.dtype)
    allowed = UNITS * rounding(x.dtype).unit * np.abs(truth.astype(np.float64)) + info.smallest_subnormal
    assert_close(f"erf, {name}", error, np.zeros_like(error), allowed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_points_are_within_the_bound(dtype):
    rng = np.random.default_rng(0)
    _assert_within_the_bound("spread evenly", (1.01 * LIMIT[dtype] * rng.uniform(-1, 1, POINTS)).astype(dtype))
    smallest = math.log(float(np.finfo(dtype).smallest_subnormal))
    _assert_within_the_bound(
        "of every magnitude", np.exp(rng.uniform(smallest, math.log(LIMIT[dtype]), POINTS)).astype(dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_grid_points_are_within_the_bound(dtype):
    n, rng = GRID[dtype], np.random.default_rng(1)
    # The first cells, in which the error is largest relative to erf, and a sample of the others.
    places = np.concatenate([np.arange(40), rng.integers(40, int(n * LIMIT[dtype]), 200)])
    on = (places / n).astype(dtype)
    below, above = (np.nextafter(on, dtype(end)) for end in (-math.inf, math.inf))
    _assert_within_the_bound("on the grid", on)
    _assert_within_the_bound("just below the grid", below)
    _assert_within_the_bound("just above the grid", above)
    _assert_within_the_bound("between the grid's points", ((places + 0.5) / n).astype(dtype))


def test_the_bound_is_within_the_tolerances():
    assert UNITS < ELEMENTARY


@pytest.mark.parametrize("dtype", DTYPES)
def test_beyond_the_limit_it_is_one(dtype):
    info, limit = np.finfo(dtype), LIMIT[dtype]
    far = np.array([limit, np.nextafter(dtype(limit), dtype(9)), 9, 1e10, info.max, math.inf], dtype)
    assert_identical("erf, beyond the limit", erf(far), np.ones_like(far))
    assert_identical("erf, beyond the limit", erf(-far), -np.ones_like(far))
    assert 1 - mpmath.erf(limit) < info.eps / 4  # half of the distance from 1 down to its neighbour


@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers_are_not_lost(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = smallest * np.array([1, 2, 3, 100, 12345], dtype)
    _assert_within_the_bound("of subnormal numbers", x)
    assert erf(x)[0] == smallest


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_keep_signs_and_nan_stays(dtype):
    x = np.array([0.0, -0.0, math.nan, -math.nan], dtype)
    found = erf(x)
    assert found[:2].tolist() == [0, 0]
    assert np.signbit(found[:2]).tolist() == [False, True]
    assert np.isnan(found[2:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_is_odd_bit_for_bit(dtype, seed):
    x = np.random.default_rng(seed).normal(0, 2, 64).astype(dtype)
    kept = x.copy()
    assert_identical("erf, of −x", erf(-x), -erf(x))
    assert erf(x).dtype == dtype
    assert_identical("erf, its own argument afterwards", x, kept)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_shape_is_computed_entrywise(dtype):
    x = np.random.default_rng(2).normal(0, 2, (3, 65_540)).astype(dtype)  # longer than what is worked on at once
    whole = erf(x)
    for view in (x[:, ::-3], x.T, x[1, 2], x[:, :0], x.reshape(3, 5, -1)):
        assert erf(view).shape == view.shape
    assert_identical("erf, every third backwards", erf(x[:, ::-3]), whole[:, ::-3])
    assert_identical("erf, transposed", erf(x.T), whole.T)
    assert_identical("erf, one number", erf(x[2:, -1:].reshape(())), whole[2, -1])
