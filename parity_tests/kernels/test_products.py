"""Products with a weight, bit for bit on whole numbers, for any leading axes."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.kernels.products import matmul, transposed_matmul


@pytest.mark.parametrize("leading", [(5,), (2, 3), (2, 3, 4), (1, 1)])
def test_any_leading_axes(leading):
    rng = np.random.default_rng(0)
    x, y, w = (rng.integers(-9, 10, shape).astype(float) for shape in ((*leading, 3), (*leading, 7), (3, 7)))
    assert np.array_equal(matmul(x, w), np.einsum("...i,io->...o", x, w))
    assert np.array_equal(transposed_matmul(x, y), np.einsum("ni,no->io", x.reshape(-1, 3), y.reshape(-1, 7)))
