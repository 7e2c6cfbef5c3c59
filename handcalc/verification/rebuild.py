"""Rebuild a trace from what its page states, so that the page can be written again and compared with it.

Numbers that the page does not show are worked out from those that it shows. float64's numbers come from the weights
before they were rounded, which only the model has; so what they can be is stated by two more traces, of their least and
their largest values. If the page shows the model that ships, these are almost the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.token_text import padded_vocabulary
from handcalc.arithmetic.calculator import MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Index, Masked
from handcalc.arithmetic.notation import read_literal
from handcalc.formulas.attribution import is_attribution
from handcalc.formulas.step import AGAIN, UPDATED, indices_of
from handcalc.page.closing import FLOAT64_DIGITS, name_probability, read_float64, read_largest_difference
from handcalc.page.stated_facts import is_tokens_title, read_changes, read_model
from handcalc.tracing.changes import compare_with_unchanged
from handcalc.tracing.float64 import Float64Step, float64_parameters, float64_probabilities, float64_training
from handcalc.tracing.plan import PROBABILITIES, Plan
from handcalc.tracing.selection import Selection, places_to_show
from handcalc.tracing.size import MOST_NUMBERS, size_of
from handcalc.tracing.trace import Change, Trace, explain, extend, load_model, round_weights
from handcalc.verification.document import Document, Section
from handcalc.verification.plan_reader import join_words
from handcalc.verification.word_reader import UNKNOWN, read_words
from numpy_gpt.shared.model.names import gradient_name
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.edits import Edit, edit_weights

PRECISION = 1e-10
"""How far machines may differ in float64's numbers, relative to each: far more than they do."""

_UNKNOWN = 1e300
_OPERANDS_PER_CHARACTER, _CHARACTERS_PER_CHARACTER, _FREE = 20, 4, 1_000_000


class Rebuilt(NamedTuple):
    """The traces that the page may show: the same but for float64's numbers; the first is in between.

    ``complete`` means that all numbers follow from the page; otherwise worked lines may have operands that are not on
    it. ``weights`` are those of the model that ships as a page shows them, if this is the ``reference`` of the page;
    otherwise its own. ``words`` counts the words of the vocabulary that are on the page.
    """

    traces: list[Trace]
    selection: Selection
    full: bool
    complete: bool
    reference: bool
    weights: Mapping[str, Mapping[Index, Decimal]]
    words: int


def rebuild(document: Document, plan: Plan, numbers: Mapping[str, Mapping[Index, Decimal]]) -> Rebuilt | None:
    """Return the traces, or None if the page is far too short for the calculation that it claims to show."""
    selection, full = _selection(document, plan)
    size, length = size_of(plan, selection, full=full), document.length
    if size.characters > _FREE + _CHARACTERS_PER_CHARACTER * length or size.numbers > MOST_NUMBERS:
        return None
    shown = {name for name in plan.weight_shapes if numbers.get(name)}
    complete = shown == set(plan.weight_shapes) and size.operands <= _FREE + _OPERANDS_PER_CHARACTER * length
    model, changes = _reference(plan, numbers), _changes(document, plan)
    if model is not None and changes:
        model = edit_weights(model, [Edit(name, index, float(after)) for name, index, _, after in changes])
    all_numbers, masked = _fill(plan, numbers, complete=complete)
    vocabulary, calculator = read_words(document, plan), Calculator(plan.digits)
    weights = {name: all_numbers[name] for name in plan.weight_shapes}
    name = document.record["model"].get("name") if document.record else _model_name(document)
    text = document.record.get("text", "") if document.record else ""
    if model is not None:
        vocabulary = padded_vocabulary(model.tokenizer, plan.config.vocab_size)
        name, weights = _shipped_model()[1], round_weights(model.values, calculator)
    base = Trace(plan, name or "", vocabulary, text, all_numbers, masked, [], None)
    base = _compare(base, changes, model)
    base = _explain(base, selection, numbers, complete=complete)
    cells = tuple((step, index) for step, index in selection.cells if index in base.numbers[step])
    selection = selection._replace(cells=cells)  # the others are findings of their own
    exact = _known_float64(base, document, model) if model else _stated_float64(base, document, selection)
    traces = [base._replace(float64=float64, training=training) for float64, training in exact]
    return Rebuilt(
        traces, selection, full, complete, model is not None, weights, sum(word != UNKNOWN for word in vocabulary)
    )


def _changes(document: Document, plan: Plan) -> list[Change]:
    """Return the changes that the page states, as far as there are such weights."""
    shapes, changes = plan.weight_shapes, list[Change]()
    if document.record:
        with suppress(KeyError, TypeError, ValueError, ArithmeticError):
            for one in document.record["changes"]:
                numbers = (read_literal(str(one[when]).removeprefix("-")) for when in ("before", "after"))
                signs = (str(one[when]).startswith("-") for when in ("before", "after"))
                before, after = (-number if sign else number for number, sign in zip(numbers, signs, strict=True))
                changes.append(Change(one["name"], tuple(one["index"]), before, after))
    else:
        changes = read_changes(join_words(document.lines))
    return [one for one in changes if one.name in shapes and one.place in set(indices_of(shapes[one.name]))]


def _compare(trace: Trace, changes: list[Change], model: Checkpoint | None) -> Trace:
    """Return the trace with the probabilities of the unchanged model, by the weights that are known."""
    if not changes:
        return trace
    known = trace.numbers
    if model is not None:
        known = known | round_weights(model.values, Calculator(trace.plan.digits))
    try:
        compared = compare_with_unchanged(trace._replace(numbers=known), changes)
    except (ArithmeticError, UserError):  # numbers that no trace has
        return trace._replace(changes=tuple(changes))
    return compared._replace(numbers=trace.numbers)


def _explain(
    trace: Trace, selection: Selection, numbers: Mapping[str, Mapping[Index, Decimal]], *, complete: bool
) -> Trace:
    """Return the trace with the attribution that the page shows: its numbers, or else those that follow from others."""
    names = {step.name: step for step in trace.plan.why}
    places = [dict(zip(names[name].axes, index, strict=True)) for name in names for index in numbers.get(name, ())]
    times, words = ({place[letter] for place in places if letter in place} for letter in "tv")
    last = trace.plan.sizes.t - 1 if selection.position is None else selection.position
    try:
        explained = explain(trace, times.pop() if len(times) == 1 else last)
    except (ArithmeticError, UserError):  # numbers that no trace has
        return trace
    if explained.why is None:
        return trace
    if not complete and words:
        ranked = [word for word in explained.why.words if word in words]
        both = dict.fromkeys([*ranked, *sorted(words - {*ranked}), *explained.why.words])
        why = explained.why._replace(words=tuple(both)[: len(explained.why.words)])
        explained = extend(trace._replace(why=why), trace.plan.why, why.selection())
    known = {name: {**cells, **numbers.get(name, {})} for name, cells in explained.numbers.items() if name in names}
    return explained._replace(numbers=explained.numbers | known)


def _model_name(document: Document) -> str:
    stated = read_model(join_words(document.lines))
    return "" if stated is None else stated[0]


def _selection(document: Document, plan: Plan) -> tuple[Selection, bool]:
    """Return which part of the trace the page shows, as most of its sections do."""
    known = {step.name: step for step in plan.page_steps}
    sections = [section for section in document.sections if section.name in known]
    names = dict.fromkeys(name for section in sections for name in section.steps)
    whole = [section for section in sections if section.chosen is None]
    lines = sum(len(section.lines) / len(section.steps) for section in whole)
    full = lines > 1.5 * sum(bool(section.lines) for section in whole)
    narrowed = not any("How far from float64" in line for line in document.lines) or bool(document.record)
    full = full or (not narrowed and any(known[name].phase == AGAIN for name in names))
    places: dict[str, Counter[int]] = {"h": Counter(), "t": Counter()}
    for section in [one for one in whole if not is_attribution(known[one.name])]:  # they have one position anyway
        axes = known[section.name].axes
        for cell in section.cells:
            if cell.name == section.name and len(cell.index) == len(axes):
                for letter, place in zip(axes, cell.index, strict=True):
                    if letter in places:
                        places[letter][place] += 1
    cells = tuple(cell for section in sections for cell in sorted(section.chosen or ()))
    alone = {name for section in sections if _shows_only(section) for name in section.steps}
    only = tuple(name for name in names if name not in alone) if narrowed else ()
    layer = None
    if any(map(is_tokens_title, document.lines)):  # a page of steps that were asked for by name has no such table
        layer, only = _layer_of(names) if narrowed else None, ()
    return Selection(only, layer, _only(places["h"]), _only(places["t"]), cells=cells), full


def _layer_of(names: Iterable[str]) -> int | None:
    """Return the layer that all the steps are inside, or None."""
    layers = {found[1] if (found := re.search(r"\bh\.([0-9]+)\.", name)) else None for name in names}
    layer = layers.pop() if len(layers) == 1 else None
    return None if layer is None else int(layer)


def _shows_only(section: Section) -> bool:
    """Return whether a section shows only the cells that were asked for, and not also the whole tensor."""
    if section.chosen is None:
        return False
    if section.place:
        return not any(cell.name in section.steps for cell in section.cells)
    return [(cell.name, cell.index) for cell in section.cells] == section.chosen


def _only(places: Counter[int]) -> int | None:
    """Return the place that nearly all cells are at, or None."""
    common = places.most_common(1)
    return common[0][0] if common and common[0][1] > 0.75 * places.total() else None


def _fill(
    plan: Plan, numbers: Mapping[str, Mapping[Index, Decimal]], *, complete: bool
) -> tuple[dict[str, dict[Index, Decimal]], frozenset[tuple[str, Index]]]:
    """Return all numbers in order: those of the page, else worked out, else 0; and which are masked."""
    calculator, masked = Calculator(plan.digits), set()
    filled: dict[str, dict[Index, Decimal]] = {}
    for name, shape in plan.weight_shapes.items():
        known = numbers.get(name, {})
        filled[name] = {index: known.get(index, Decimal(0)) for index in indices_of(shape)}
    for step in plan.steps:
        known, values = numbers.get(step.name, {}), dict[Index, Decimal]()
        filled[step.name] = values
        for index in plan.sizes.indices(step.axes):
            expression = step.cell(*index)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
                values[index] = expression.value
            elif index in known:
                values[index] = known[index]
            else:
                values[index] = Decimal(0)
                if complete:
                    with suppress(ArithmeticError, UserError):
                        values[index] = calculator.evaluate(expression, filled)
    return filled, frozenset(masked)


@cache
def _shipped_model() -> tuple[Checkpoint, str]:
    return load_model(None)


def _reference(plan: Plan, numbers: Mapping[str, Mapping[Index, Decimal]]) -> Checkpoint | None:
    """Return the model that ships if most weights of the page are exactly its own."""
    model, _ = _shipped_model()
    if model.config != plan.config:
        return None
    own = round_weights(model.values, Calculator(MOST_DIGITS))
    if own != round_weights(model.values, Calculator(plan.digits)):
        return None  # another model may look the same
    same = [value == own[name].get(index) for name in own for index, value in numbers.get(name, {}).items()]
    return model if same and sum(same) > len(same) / 2 else None


Float64 = tuple[list[list[float]], Float64Step | None]


def _known_float64(trace: Trace, document: Document, model: Checkpoint) -> Iterator[Float64]:
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


def _stated_float64(trace: Trace, document: Document, selection: Selection) -> Iterator[Float64]:
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
