"""Confidence intervals by the bootstrap: how much a figure would vary if another text had been measured.

The units of a text (sentences, or windows that do not overlap) are drawn again, as many as there are and with
repetition, and the figure is computed from each such sample (Efron & Tibshirani 1993, chapter 13). The units are drawn
as wholes: tokens of one sentence are not independent. Figures that are compared are computed from the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from numpy_gpt.shared.model.arrays import Array

LEVEL = 0.95
_NUMBERS_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """The ends of a percentile interval, and the standard error; arrays of the statistic's shape."""

    lower: Array
    upper: Array
    error: Array


def bootstrap(
    units: Sequence[Array],
    statistic: Callable[..., Array],
    *,
    samples: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return the interval of a statistic that depends on sums over units only.

    Shapes: units, arrays (U, …), each of the same number of units; ``statistic(*sums)`` receives their sums over the
    units of several samples (R, …) and returns (R, …).
    """
    count = len(units[0])
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), samples).astype(np.float64)
    rows = max(1, _NUMBERS_AT_ONCE // max(unit.size // count for unit in units))
    parts = [
        statistic(*(_weighted_sums(drawn[first : first + rows], unit) for unit in units))
        for first in range(0, samples, rows)
    ]
    values = np.concatenate(parts)
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(lower, upper, values.std(axis=0, ddof=1))


def _weighted_sums(weights: Array, unit: Array) -> Array:
    """Return for each row of weights (R, U) the weighted sum of the units (U, …), shape (R, …)."""
    flat = unit.reshape(len(unit), -1).astype(np.float64, copy=False)
    return (weights @ flat).reshape(-1, *unit.shape[1:])
