"""Rebuild a trace from what its page states, so that the page can be written again and compared with it.

Numbers that the page does not show are worked out from those that it shows. float64's numbers come from the weights
before they were rounded, which only the model has; so what they can be is stated by two more traces, of their least and
their largest values. If the page shows the model that ships, these are almost the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.tokens.token_text import padded_vocabulary
from handcalc.arithmetic.calculator import MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Index, Masked, MutableNumbers
from handcalc.arithmetic.notation import read_literal
from handcalc.formulas.attribution import is_attribution
from handcalc.formulas.step import AGAIN, indices_of
from handcalc.page.stated_facts import is_tokens_title, read_changes, read_model
from handcalc.tracing.changes import compare_with_unchanged
from handcalc.tracing.part import find_needed
from handcalc.tracing.plan import Plan
from handcalc.tracing.selection import Selection, indices_to_show, steps_to_show
from handcalc.tracing.size import MOST_NUMBERS, is_too_large, size_of
from handcalc.tracing.trace import Change, Trace, explain, extend, load_model, round_weights
from handcalc.verification.document import Document, Section
from handcalc.verification.float64_ranges import known_float64, stated_float64
from handcalc.verification.plan_reader import join_words
from handcalc.verification.word_reader import UNKNOWN, read_words
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.edits import Edit, edit_weights

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
    if selection.names_steps and is_too_large(size, plan.config):
        return _rebuild_part(document, plan, numbers, selection, full=full)
    if size.characters > _FREE + _CHARACTERS_PER_CHARACTER * length or size.numbers > MOST_NUMBERS:
        return None
    shown = {name for name in plan.weight_shapes if numbers.get(name)}
    complete = shown == set(plan.weight_shapes) and size.operands <= _FREE + _OPERANDS_PER_CHARACTER * length
    changes = _changes(document, plan)
    model = _reference(plan, numbers, changes)
    all_numbers, masked = _fill(plan, numbers, complete=complete)
    base, weights, words = _describe(document, plan, all_numbers, masked, model)
    base = _compare(base, changes, model)
    base = _explain(base, selection, numbers, complete=complete)
    selection = _existing_cells(selection, base)
    exact = known_float64(base, document, model) if model else stated_float64(base, document, selection)
    traces = [base._replace(float64=float64, training=training) for float64, training in exact]
    return Rebuilt(traces, selection, full, complete, model is not None, weights, words)


class _Shown(dict[Index, Decimal]):
    """Numbers of a page; one that is not on it counts as 0."""

    def __missing__(self, index: Index) -> Decimal:
        return Decimal(0)


def _rebuild_part(
    document: Document, plan: Plan, numbers: Mapping[str, Mapping[Index, Decimal]], selection: Selection, *, full: bool
) -> Rebuilt | None:
    """Return the trace of a part of a model that is too large to be worked out whole, as ``trace_part`` makes it."""
    try:
        needed = find_needed(plan, selection, full=full)
    except UserError:  # no such part can have been traced
        return None
    shown: MutableNumbers = {name: _Shown(numbers.get(name, {})) for name in plan.weight_shapes}
    masked = set()
    for step in plan.page_steps:
        known = numbers.get(step.name, {})
        shown[step.name] = _Shown({index: known.get(index, Decimal(0)) for index in needed.get(step.name, ())})
    for step in steps_to_show(plan.page_steps, selection, full=full):
        cells = indices_to_show(step, plan.sizes, selection)
        masked |= {(step.name, index) for index in cells if isinstance(step.cell(*index), Masked)}
    changes = _changes(document, plan)
    model = _reference(plan, numbers, changes)
    trace, weights, words = _describe(document, plan, shown, frozenset(masked), model)
    trace = trace._replace(changes=tuple(changes))
    return Rebuilt([trace], _existing_cells(selection, trace), full, False, model is not None, weights, words)


def _describe(
    document: Document,
    plan: Plan,
    numbers: MutableNumbers,
    masked: frozenset[tuple[str, Index]],
    model: Checkpoint | None,
) -> tuple[Trace, MutableNumbers, int]:
    """Return the trace of these numbers, its weights, and how many words of its vocabulary are on the page.

    ``model`` is the model that ships, if the page shows it.
    """
    vocabulary = read_words(document, plan)
    weights = {name: numbers[name] for name in plan.weight_shapes}
    name = document.record["model"].get("name") if document.record else _model_name(document)
    text = document.record.get("text", "") if document.record else ""
    if model is not None:
        vocabulary = padded_vocabulary(model.tokenizer, plan.config.vocab_size)
        name, weights = _shipped_model()[1], round_weights(model.values, Calculator(plan.digits))
    words = sum(word != UNKNOWN for word in vocabulary)
    return Trace(plan, name or "", vocabulary, text, numbers, masked, [], None), weights, words


def _existing_cells(selection: Selection, trace: Trace) -> Selection:
    """Return the selection without cells that do not exist, which are findings of their own."""
    return selection._replace(
        cells=tuple((step, index) for step, index in selection.cells if index in trace.numbers[step])
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


def _reference(
    plan: Plan, numbers: Mapping[str, Mapping[Index, Decimal]], changes: Sequence[Change]
) -> Checkpoint | None:
    """Return the model that ships, with the changes, if most weights of the page are exactly its own."""
    model, _ = _shipped_model()
    if model.config != plan.config:
        return None
    own = round_weights(model.values, Calculator(MOST_DIGITS))
    if own != round_weights(model.values, Calculator(plan.digits)):
        return None  # another model may look the same
    same = [value == own[name].get(index) for name in own for index, value in numbers.get(name, {}).items()]
    if not same or sum(same) <= len(same) / 2:
        return None
    return edit_weights(model, [Edit(name, index, float(after)) for name, index, _, after in changes])
