"""Heads are views, side by side; the future is masked, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numpy_gpt.kernels.heads import mask_future_, split_heads, split_qkv, weighted_sums


def test_thirds_are_views():
    batch, time, n_head, size = 2, 3, 4, 5
    qkv = np.arange(batch * time * 3 * n_head * size, dtype=float).reshape(batch, time, -1)
    for third, part in enumerate(split_qkv(qkv, n_head)):
        assert np.shares_memory(part, qkv)
        for b, h, t, d in np.ndindex(part.shape):
            assert part[b, h, t, d] == qkv[b, t, third * n_head * size + h * size + d]


def test_weighted_sums_lie_side_by_side():
    rng = np.random.default_rng(0)
    weights, values = rng.integers(0, 9, (2, 3, 4, 4)).astype(float), rng.integers(0, 9, (2, 3, 4, 5)).astype(float)
    heads, merged = weighted_sums(weights, values)
    assert np.array_equal(heads, weights @ values)
    assert np.array_equal(merged, (weights @ values).swapaxes(1, 2).reshape(2, 4, 15))
    assert np.array_equal(split_heads(merged, 3), heads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("time", "keys"), [(1, 1), (1, 4), (3, 3), (2, 5)])
def test_the_future_is_masked(time, keys, dtype):
    scores = np.random.default_rng(0).normal(size=(2, 3, time, keys)).astype(dtype)
    scores[0, 0, :, -1] = math.nan  # even a NaN, where it is in the future; in the past it stays
    scores[0, 1, :, 0] = math.inf
    expected = scores.copy()
    for t, s in np.ndindex(time, keys):
        if s > keys - time + t:
            expected[..., t, s] = -math.inf
    assert np.array_equal(mask_future_(scores), expected, equal_nan=True)
