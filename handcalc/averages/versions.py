"""Three ways to write the same average of a position and all earlier ones, as steps of a hand calculation.

    out[t,c] = (x[0,c] + … + x[t,c]) / (t + 1)

First as a sum; then as a product with a triangular matrix of weights; then with the weights that a softmax gives for
scores of 0 where the future is masked. The last one is attention that has learned nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import ZERO, Cells, Constant, Expression, Masked, total
from handcalc.formulas.softmax import softmax_steps
from handcalc.formulas.step import Sizes, Step

Weight = Callable[[int, int], Expression]
"""The weight that position t gives to position s."""

LOOP, TRIANGLE, FRACTIONS, SOFTMAX = (f"averaging.{name}" for name in ("loop", "triangle", "fractions", "softmax"))

_SOFTMAX_MEANINGS = {
    "max": "The largest score of each row: 0.",
    "exponentials": "exp of 0 is 1, and exp of -inf is 0: this is the triangle of ones again.",
    "sum": "The number of positions that each one sees.",
    "out": "The weights: an equal share for each visible position.",
}


def loop_step(x: str) -> Step:
    """Return version 1: the numbers up to position t, added up and divided by their count."""
    source = Cells(x)
    return Step(
        name=f"{LOOP}.out",
        axes="tc",
        equation="out[t,c] = (x[0,c] + … + x[t,c]) / (t + 1)",
        section="",
        meaning="For each position, the numbers of all positions up to it are added up and divided by their count. In "
        "code: a loop over t that takes a mean.",
        cell=lambda t, c: total(source[s, c] for s in range(t + 1)) / Constant(t + 1),
    )


def triangle_steps(x: str, sizes: Sizes) -> Iterator[Step]:
    """Yield version 2: ones below the diagonal, each row divided by its sum, then one product of matrices."""
    ones, sums, weights = (Cells(f"{TRIANGLE}.{name}") for name in ("ones", "sum", "weights"))
    seen = range(sizes.t)
    yield Step(
        name=ones.name,
        axes="ts",
        equation="ones[t,s] = 1 where s ≤ t, else 0",
        section="",
        meaning="A triangle of ones: row t marks the positions s that it sees, up to and including t.",
        cell=lambda t, s: Constant(int(s <= t)),
    )
    yield Step(
        name=sums.name,
        axes="t",
        equation="sum[t] = Σ_s ones[t,s]",
        section="",
        meaning="The number of positions that each one sees.",
        cell=lambda t: total(ones[t, s] for s in seen),
    )
    yield Step(
        name=weights.name,
        axes="ts",
        equation="weights[t,s] = ones[t,s] / sum[t]",
        section="",
        meaning="Each row divided by its sum, so that its weights add up to 1.",
        cell=lambda t, s: ones[t, s] / sums[t],
    )
    yield _average_step(
        TRIANGLE,
        x,
        sizes,
        "The average as a sum of products: row t of the weights times column c of x. One matrix product computes all "
        "the cells at once; the loop computed them one by one.",
        lambda t, s: weights[t, s],
    )


def fractions_step(x: str, sizes: Sizes) -> Step:
    """Return version 2 with its weights left as fractions: nothing is rounded before the end."""
    return _average_step(
        FRACTIONS,
        x,
        sizes,
        "The same product with the weights left as fractions 1/(t + 1), which are not rounded.",
        lambda t, s: Constant(int(s <= t)) / Constant(t + 1),
    )


def softmax_average_steps(x: str, sizes: Sizes) -> Iterator[Step]:
    """Yield version 3: a softmax over scores that are all 0, the future masked, then the product of version 2."""
    masked, weights = Cells(f"{SOFTMAX}.masked"), Cells(f"{SOFTMAX}.weights")
    yield Step(
        name=masked.name,
        axes="ts",
        equation="masked[t,s] = 0 where s ≤ t, else -inf",
        section="8.4",
        meaning="Scores instead of ones: 0 for every visible position, -inf for the future, which is masked.",
        cell=lambda t, s: ZERO if s <= t else Masked("-inf"),
    )
    yield from softmax_steps(
        SOFTMAX, masked.name, weights.name, "ts", lambda row: range(row[-1] + 1), _SOFTMAX_MEANINGS, section="6.4"
    )
    yield _average_step(SOFTMAX, x, sizes, "Again the product of weights and x.", lambda t, s: weights[t, s])


def _average_step(version: str, x: str, sizes: Sizes, meaning: str, weight: Weight) -> Step:
    source, seen = Cells(x), range(sizes.t)
    return Step(
        name=f"{version}.out",
        axes="tc",
        equation="out[t,c] = Σ_s weights[t,s]·x[s,c]",
        section="",
        meaning=meaning,
        cell=lambda t, c: total(weight(t, s) * source[s, c] for s in seen),
    )
