"""Intervals by the bootstrap: they cover the truth, by units, and are the same each time."""

from __future__ import annotations

import numpy as np

from numpy_gpt.shared.attention import bootstrap as module
from numpy_gpt.shared.attention.bootstrap import bootstrap

TRUTH, UNITS, CASES = 0.3, 60, 400


def _ratio(values, queries):
    return values / queries


def _drawn_units(rng):
    """Return the sums of units whose queries resemble each other: each unit has its level, larger ones a higher one."""
    queries = rng.integers(1, 12, UNITS)
    level = np.clip(TRUTH + 0.02 * (queries - 6) + rng.normal(0, 0.1, UNITS), 0, 1)
    return level * queries + rng.normal(0, 0.05, UNITS) * np.sqrt(queries), queries.astype(float)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(1)
    sizes = np.arange(1, 12)
    truth = float(((TRUTH + 0.02 * (sizes - 6)) * sizes).sum() / sizes.sum())
    covered = 0
    for case in range(CASES):
        interval = bootstrap(_drawn_units(rng), _ratio, samples=400, seed=case)
        covered += interval.lower <= truth <= interval.upper
    # Of 400 cases 380 are expected to be covered, with a standard deviation of 4.4; with intervals of 90 % it were 360.
    assert 365 <= covered <= 395


def test_an_interval_has_the_width_of_the_theory():
    values = np.random.default_rng(2).normal(size=400)
    interval = bootstrap([values, np.ones(400)], _ratio, samples=4000)
    error = values.std() / 20  # and quantiles of 4,000 draws are off by a few percent of it
    np.testing.assert_allclose(interval.error, error, rtol=0.06)
    np.testing.assert_allclose(interval.upper - values.mean(), 1.96 * error, rtol=0.12)
    np.testing.assert_allclose(values.mean() - interval.lower, 1.96 * error, rtol=0.12)


def test_samples_are_drawn_with_the_same_units_for_all_figures():
    units = [np.random.default_rng(3).random((30, 2, 3)), np.ones(30)]
    same = bootstrap(units, lambda values, counts: values - values + counts[:, None, None])
    assert same.lower.shape == (2, 3)
    assert (same.lower == 30).all() and (same.upper == 30).all() and (same.error == 0).all()


def test_an_interval_is_reproducible_in_parts_of_any_size(monkeypatch):
    units = [np.random.default_rng(4).random((30, 5)), np.ones((30, 1))]
    whole, again, other = (bootstrap(units, _ratio, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(whole, again)
    assert (whole.lower != other.lower).any()
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 35)
    np.testing.assert_allclose(bootstrap(units, _ratio, seed=1), whole, rtol=1e-12)
