"""Write a trace as JSON: everything in the text, for programs; one cell a line, so that it can be searched as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.step import UPDATED, Step, indices_of
from handcalc.page.cells import cell_arithmetic, indices_to_work_out, selection_of
from handcalc.page.closing import WhyRow, why_rows
from handcalc.page.results import (
    comparisons,
    gradient_distances,
    largest_difference,
    likeliest_words,
    probability_changes,
    update_distances,
)
from handcalc.tracing.float64 import Float64Step
from handcalc.tracing.selection import Selection, indices_to_show, places_to_show, steps_to_show
from handcalc.tracing.trace import Change, Trace, Why
from numpy_gpt.shared.model.config import config_to_dict
from numpy_gpt.shared.model.names import parameter_count

SCHEMA_VERSION = 1


def json_lines(trace: Trace, selection: Selection, *, full: bool) -> Iterator[str]:
    """Yield the lines of the trace as one JSON object."""
    yield from "".join(_pieces(trace_record(trace, selection, full=full), "")).split("\n")


def trace_record(trace: Trace, selection: Selection, *, full: bool) -> dict[str, Any]:
    """Return the trace as one object.

    docs/trace-format.md says what each field means. Every number of the calculator is a string, exactly as printed.
    ``weights`` are always complete. ``steps`` are those selected; a cell's ``expression`` is its arithmetic, and null
    where it was given, masked, or (without ``full``) not worked out. ``probabilities`` compares each one with float64.
    """
    plan = trace.plan
    positions = places_to_show("t", plan.sizes, selection)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "name": trace.model,
            "parameters": parameter_count(plan.config),
            "config": config_to_dict(plan.config),
        },
        "text": trace.text,
        "digits": plan.digits,
        "tokens": _words(trace, plan.tokens),
        "targets": _words(trace, plan.targets),
        "changes": _Lines(_change(change) for change in trace.changes),
        "optimizer": None if plan.optimizer is None else _optimizer(plan.optimizer),
        "weights": [
            {"name": name, "shape": list(shape), "cells": _Lines(_weight_cells(trace, name, shape))}
            for name, shape in plan.weight_shapes.items()
        ],
        "chosen": _Lines({"name": name, "index": list(index)} for name, index in selection.cells),
        "steps": [
            _step(trace, step, selection, full=full) for step in steps_to_show(plan.page_steps, selection, full=full)
        ],
        "next_words": _Lines(_next_word(trace, position) for position in positions),
        "why": None if trace.why is None else _why(trace, trace.why),
        "largest_difference_from_float64": largest_difference(
            [one for position in positions for one in comparisons(trace, position)]
        ).difference,
        "changed_probabilities": _Lines(_changed_probabilities(trace, positions)),
        "probabilities": _Lines(_comparisons(trace, positions)),
        "training": None if trace.training is None else _training(trace, trace.training),
    }


def _words(trace: Trace, tokens: Iterable[int]) -> list[dict[str, Any]]:
    return [
        {"position": position, "word": trace.vocabulary[token], "id": token} for position, token in enumerate(tokens)
    ]


def _optimizer(optimizer: Optimizer) -> dict[str, str]:
    return {name: format_number(value) for name, value in optimizer._asdict().items()}


def _training(trace: Trace, exact: Float64Step) -> dict[str, Any]:
    """Return the loss before and after the update, and how far gradients and new weights are from float64."""
    after = trace.numbers.get(f"{UPDATED}.loss")
    return {
        "loss": {"calculator": format_number(trace.numbers["loss"][()]), "float64": exact.loss},
        "loss_after_update": after and {"calculator": format_number(after[()]), "float64": exact.updated_loss},
        "differences_from_float64": _Lines(
            one._asdict() for one in (*gradient_distances(trace), *update_distances(trace))
        ),
    }


def _weight_cells(trace: Trace, name: str, shape: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    return (_cell(index, trace.numbers[name][index], None) for index in indices_of(shape))


def _step(trace: Trace, step: Step, selection: Selection, *, full: bool) -> dict[str, Any]:
    worked = set(indices_to_work_out(trace, step, selection, full=full))
    return {
        "name": step.name,
        "phase": step.phase,
        "undoes": list(step.undoes),
        "meaning": step.meaning,
        "equation": step.equation,
        "section": step.section,
        "axes": list(step.axes),
        "shape": list(trace.plan.sizes.shape(step.axes)),
        "cells": _Lines(
            _cell(
                index,
                trace.numbers[step.name][index],
                cell_arithmetic(trace, step, index) if index in worked else None,
            )
            | ({"masked": True} if (step.name, index) in trace.masked else {})
            for index in indices_to_show(step, trace.plan.sizes, selection_of(trace, step, selection))
        ),
    }


def _cell(index: Index, value: Decimal, expression: str | None) -> dict[str, Any]:
    return {"index": list(index), "value": format_number(value), "expression": expression}


def _next_word(trace: Trace, position: int) -> dict[str, Any]:
    likeliest = [
        {"word": trace.vocabulary[word], "probability": format_number(probability)}
        for word, probability in likeliest_words(trace, position)
    ]
    return {"position": position, "likeliest": likeliest}


def _why(trace: Trace, why: Why) -> dict[str, Any]:
    *parts, total, logit = why_rows(trace)

    def values(row: WhyRow) -> list[str]:
        return [format_number(value) for value in row.values[: len(why.words)]]

    return {
        "position": why.position,
        "words": [trace.vocabulary[word] for word in why.words],
        "parts": _Lines(
            {"title": row.title, "name": row.name, "head": row.head, "logits": values(row)} for row in parts
        ),
        "sum": values(total),
        "logits": values(logit),
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = format_number(change.before), format_number(change.after)
    return {"name": change.name, "index": list(change.place), "before": before, "after": after}


def _changed_probabilities(trace: Trace, positions: Iterable[int]) -> Iterator[dict[str, Any]]:
    for position in positions if trace.unchanged is not None else ():
        for one in probability_changes(trace, position):
            yield {
                "position": position,
                "word": trace.vocabulary[one.word],
                "before": format_number(one.before),
                "after": format_number(one.after),
            }


def _comparisons(trace: Trace, positions: Iterable[int]) -> Iterator[dict[str, Any]]:
    for position in positions:
        for one in comparisons(trace, position):
            yield {
                "position": position,
                "word": trace.vocabulary[one.word],
                "calculator": format_number(one.calculator),
                "float64": one.float64,
                "difference": one.difference,
            }


class _Lines(list[Any]):
    """A list whose items are written on one line each."""


def _pieces(value: Any, indent: str) -> Iterator[str]:
    """Yield the pieces of ``value`` as JSON; objects and lists of objects take several lines."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        items: list[tuple[str, Any]] = [(f"{json.dumps(key)}: ", item) for key, item in value.items()]
        brackets = "{}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items, brackets = [("", item) for item in value], "[]"
    else:
        yield json.dumps(value, ensure_ascii=False)
        return
    for place, (key, item) in enumerate(items):
        yield f"{',' if place else brackets[0]}\n{deeper}{key}"
        one_line = isinstance(value, _Lines)
        yield from [json.dumps(item, ensure_ascii=False)] if one_line else _pieces(item, deeper)
    yield f"\n{indent}{brackets[1]}"
