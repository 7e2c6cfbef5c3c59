"""What the trace arrives at: the likeliest next words, and how far the calculator is from float64."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from handcalc.tracing.working import Trace


class Comparison(NamedTuple):
    """One probability twice: as calculated here, and as numpy_gpt computes it in float64."""

    position: int
    word: int
    calculator: Decimal
    float64: float

    @property
    def difference(self) -> float:
        """Calculator less float64."""
        return float(self.calculator - Decimal(self.float64))


PROBABILITIES = "probabilities"


def likeliest_words(
    trace: Trace, position: int, count: int = 5, *, step: str = PROBABILITIES
) -> list[tuple[int, Decimal]]:
    """Return the ids of the ``count`` likeliest next words after ``position`` and their probabilities, best first.

    ``step`` is whose probabilities these are.
    """
    probabilities = trace.page[step]
    ranked = sorted(range(trace.sizes.v), key=lambda word: (-probabilities[position, word], word))
    return [(word, probabilities[position, word]) for word in ranked[:count]]


def next_word(trace: Trace, position: int) -> int | None:
    """Return the id of the word that the text itself has after ``position``, or None at its end."""
    following = trace.targets or trace.tokens[1:]
    return following[position] if position < len(following) else None


def comparisons(trace: Trace, position: int) -> list[Comparison]:
    """Return the comparison of every word's probability after ``position``."""
    calculated = trace.page[PROBABILITIES]
    return [
        Comparison(position, word, calculated[position, word], exact)
        for word, exact in enumerate(trace.float64[position])
    ]


def largest_difference(compared: list[Comparison]) -> Comparison:
    """Return the comparison that is farthest apart, the first of them if there are several."""
    return max(compared, key=lambda one: abs(one.difference))
