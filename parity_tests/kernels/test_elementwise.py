"""Elementwise kernels: the values of the plain formulas, in the array's dtype, in place if the name says so."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.kernels.elementwise import even_quadratic, exp_, half_of_one_plus_, multiply_, odd_cubic, tanh_


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_polynomials(dtype):
    x = np.arange(-8, 9).astype(dtype)  # whole numbers and halves: exact
    assert np.array_equal(even_quadratic(x, 3, 0.5), (3 + 0.5 * x * x).astype(dtype))
    assert np.array_equal(odd_cubic(x, 3, 0.5), (3 * x + 0.5 * x**3).astype(dtype))
    assert odd_cubic(x, 3, 0.1).dtype == dtype
    assert np.isfinite(odd_cubic(np.array([1e13], "float32"), 1, 1e-30)).all()  # x³ alone would overflow


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kernel", "function"),
    [
        (exp_, np.exp),
        (tanh_, np.tanh),
        (half_of_one_plus_, lambda x: (1 + x) / 2),
        (lambda x: multiply_(x, 0.25), lambda x: x / 4),
    ],
)
def test_results_replace_the_argument(kernel, function, dtype):
    x = np.arange(-4, 5).astype(dtype)
    expected = function(x)
    assert kernel(x) is x
    assert x.dtype == dtype
    assert np.array_equal(x, expected)
