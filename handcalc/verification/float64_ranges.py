"""What float64's numbers of a page can be: exactly if it shows the model that ships, else as far as it states them.

They come from the weights before they were rounded, which only the model has. So they are yielded several times: as
they are most likely, their least and their largest values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np

from handcalc.arithmetic.expression import Index
from handcalc.formulas.step import UPDATED
from handcalc.page.closing import FLOAT64_DIGITS, name_probability, read_float64, read_largest_difference
from handcalc.tracing.float64 import Float64Step, float64_parameters, float64_probabilities, float64_training
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.selection import Selection, places_to_show
from handcalc.tracing.trace import Trace
from handcalc.verification.document import Document
from numpy_gpt.shared.model.names import gradient_name
from numpy_gpt.shared.runs.checkpoint import Checkpoint

PRECISION = 1e-10
"""How far machines may differ in float64's numbers, relative to each: far more than they do."""

_UNKNOWN = 1e300

Float64 = tuple[list[list[float]], Float64Step | None]


def known_float64(trace: Trace, document: Document, model: Checkpoint) -> Iterator[Float64]:
    """Yield float64's numbers, and the least and the largest that any machine computes.

    JSON has all their digits, so those of the page are taken if they are among these.
    """
    exact = float64_parameters(trace.plan.config, model.values)
    probabilities = float64_probabilities(exact, trace.plan.tokens)
    training = float64_training(exact, trace.plan) if trace.plan.targets else None
    stated = _probabilities_of_json(document.record)
    for position, row in stated.items():
        if 0 <= position < len(probabilities) and len(row) == len(probabilities[position]):
            pairs = zip(probabilities[position], row, strict=True)
            probabilities[position] = [_nearly(number, other) for number, other in pairs]
    for factor in (1.0, 1 - PRECISION, 1 + PRECISION):
        rows = probabilities if stated else [[number * factor for number in row] for row in probabilities]
        yield rows, None if training is None else _scaled(training, factor)


def _nearly(number: float, stated: Decimal | None) -> float:
    """Return the number as it is stated, if that is the same but for rounding."""
    other = float(stated) if stated is not None else number
    return other if abs(other - number) <= PRECISION * number else number


def _scaled(training: Float64Step, factor: float) -> Float64Step:
    def scale(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: array * factor for name, array in arrays.items()}

    updated = None if training.updated is None else scale(training.updated)
    after = None if training.updated_loss is None else training.updated_loss * factor
    return Float64Step(training.loss * factor, scale(training.gradients), updated, after)


def stated_float64(trace: Trace, document: Document, selection: Selection) -> Iterator[Float64]:
    """Yield float64's probabilities as the page rounds them, and all that its other numbers may be."""
    positions = range(trace.plan.sizes.t)
    if document.record:
        stated = _probabilities_of_json(document.record)
    else:
        shown = places_to_show("t", trace.plan.sizes, selection)
        stated = dict(zip(shown, read_float64(document.lines).values(), strict=False))
    ranges: dict[Index, Range] = {
        (position, word): _range(stated.get(position, []), word, trace, position, exact=bool(document.record))
        for position in positions
        for word in range(trace.plan.sizes.v)
    }
    for choice, way in _choices(ranges, trace, read_largest_difference(document.lines)):
        rows = [[choice[position, word] for word in range(trace.plan.sizes.v)] for position in positions]
        yield rows, _unknown_training(trace, way) if trace.plan.targets else None


Range = tuple[float, float, float, float]
"""What a float64 can be: as it is stated, its least and its largest value, and the calculator's number."""


def _choices(
    ranges: Mapping[Index, Range], trace: Trace, largest: str
) -> Iterator[tuple[Mapping[Index, float], float]]:
    """Yield choices of all float64's probabilities: as stated, the least, the largest.

    If the page says where the largest difference is, and it can be there, it is there in the first one and in another,
    with the largest and the least difference that it can have.
    """
    nearest = {place: min(max(own, low), high) for place, (_, low, high, own) in ranges.items()}
    least = max(abs(number - ranges[place][3]) for place, number in nearest.items())
    for place, (_, low, high, own) in ranges.items():
        far = high if high - own > own - low else low
        named = " ".join(f"{name_probability(trace, *place)}.".split())
        if abs(far - own) >= least and largest.endswith(named):
            near = own + (least if far > own else -least)
            yield nearest | {place: far}, 0.0
            yield nearest | {place: near if abs(nearest[place] - own) < least else nearest[place]}, 0.0
            break
    else:
        yield {place: stated for place, (stated, *_) in ranges.items()}, 0.0
    yield {place: low for place, (_, low, _, _) in ranges.items()}, -1.0
    yield {place: high for place, (_, _, high, _) in ranges.items()}, 1.0


def _range(row: Sequence[Decimal | None], word: int, trace: Trace, position: int, *, exact: bool) -> Range:
    """Return what a probability can be that the page states, rounded unless it is ``exact``."""
    own = trace.numbers[PROBABILITIES][position, word]
    stated = row[word] if word < len(row) else None
    if stated is None or not stated.is_finite():
        stated = own
    digits = min(trace.plan.digits, FLOAT64_DIGITS)
    half = Decimal(f"5e{stated.adjusted() - digits}") if stated and not exact else Decimal(0)
    return float(stated), float(stated - half), float(stated + half), float(own)


def _probabilities_of_json(record: Mapping[str, Any]) -> dict[int, list[Decimal | None]]:
    rows: dict[int, list[Decimal | None]] = {}
    with suppress(KeyError, TypeError):
        for one in record["probabilities"]:
            number = one["float64"]
            rows.setdefault(one["position"], []).append(Decimal(number) if isinstance(number, float) else None)
    return rows


def _unknown_training(trace: Trace, way: float) -> Float64Step:
    """Return a training step in float64 of which nothing is known: the numbers of the page, 0, or enormous ones."""

    def arrays(prefix: str, names: Mapping[str, str]) -> dict[str, Any]:
        shapes = trace.plan.weight_shapes
        return {
            name: np.full(shapes[name], max(way, 0.0) * _UNKNOWN)
            if way
            else np.array([float(number) for number in trace.numbers[prefix + source].values()])
            for name, source in names.items()
        }

    def loss(name: str) -> float:
        return max(way, 0.0) * _UNKNOWN if way else float(trace.numbers[name][()])

    gradients = arrays("", {name: gradient_name(name) for name in trace.plan.weight_shapes})
    if trace.plan.optimizer is None:
        return Float64Step(loss("loss"), gradients, None, None)
    updated = arrays(f"{UPDATED}.", {name: name for name in trace.plan.weight_shapes})
    return Float64Step(loss("loss"), gradients, updated, loss(f"{UPDATED}.loss"))
