"""The results of a trace: the likeliest next words, and how far the calculator is from float64."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from handcalc.formulas.step import UPDATED
from handcalc.tracing.float64 import Arrays
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.names import gradient_name


class Comparison(NamedTuple):
    """One probability twice: as calculated here, and as computed by numpy_gpt in float64."""

    position: int
    word: int
    calculator: Decimal
    float64: float

    @property
    def difference(self) -> float:
        """Calculator minus float64."""
        return float(self.calculator - Decimal(self.float64))


class Distance(NamedTuple):
    """How far a tensor is from float64: its largest number in float64, and the largest difference."""

    name: str
    largest: float
    difference: float


def likeliest_words(
    trace: Trace, position: int, count: int = 5, *, step: str = PROBABILITIES
) -> list[tuple[int, Decimal]]:
    """Return the ids of the ``count`` likeliest next words after ``position`` and their probabilities, best first.

    ``step`` is the step that has the probabilities.
    """
    probabilities = trace.numbers[step]
    ranked = sorted(range(trace.plan.sizes.v), key=lambda word: (-probabilities[position, word], word))
    return [(word, probabilities[position, word]) for word in ranked[:count]]


def next_word(trace: Trace, position: int) -> int | None:
    """Return the id of the word that the text itself has after ``position``, or None at its end."""
    following = trace.plan.targets or trace.plan.tokens[1:]
    return following[position] if position < len(following) else None


def comparisons(trace: Trace, position: int) -> list[Comparison]:
    """Return the comparison of every word's probability after ``position``."""
    calculated = trace.numbers[PROBABILITIES]
    return [
        Comparison(position, word, calculated[position, word], exact)
        for word, exact in enumerate(trace.float64[position])
    ]


class ProbabilityChange(NamedTuple):
    """The probability of a word without and with changed weights."""

    position: int
    word: int
    before: Decimal
    after: Decimal


def probability_changes(trace: Trace, position: int) -> list[ProbabilityChange]:
    """Return what changed weights do to the likeliest words, before and after, and to the word of the text."""
    before, after = trace.unchanged or {}, trace.numbers[PROBABILITIES]
    best = [max(range(trace.plan.sizes.v), key=lambda word: (row[position, word], -word)) for row in (before, after)]
    words = dict.fromkeys([*best, *([] if (following := next_word(trace, position)) is None else [following])])
    return [ProbabilityChange(position, word, before[position, word], after[position, word]) for word in words]


def largest_difference(compared: list[Comparison]) -> Comparison:
    """Return the comparison with the largest difference, the first one if there are several."""
    return max(compared, key=lambda one: abs(one.difference))


def gradient_distances(trace: Trace) -> list[Distance]:
    """Return how far each parameter's gradient is from float64."""
    arrays = {} if trace.training is None else trace.training.gradients
    return [_distance(trace, gradient_name(name), array) for name, array in arrays.items()]


def update_distances(trace: Trace) -> list[Distance]:
    """Return how far each parameter's new values are from float64; nothing without an update."""
    arrays: Arrays = {} if trace.training is None else trace.training.updated or {}
    return [_distance(trace, f"{UPDATED}.{name}", array) for name, array in arrays.items()]


def _distance(trace: Trace, name: str, array: Any) -> Distance:
    exact: list[float] = array.ravel().tolist()
    pairs = zip(trace.numbers[name].values(), exact, strict=True)
    return Distance(name, max(map(abs, exact)), max(abs(float(value - Decimal(other))) for value, other in pairs))
