"""Read a trace as JSON: everything the text says, for programs; one cell a line, so that it can be searched as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from handcalc.expression import Index
from handcalc.next_word import comparisons, largest_difference, likeliest_words
from handcalc.number_format import format_number
from handcalc.selection import Selection, select_steps, shown_indices, shown_places
from handcalc.steps import Step, indices_of
from handcalc.worked import cell_arithmetic, worked_index
from handcalc.working import Trace
from numpy_gpt.shared.names import parameter_count

SCHEMA_VERSION = 1


def json_lines(trace: Trace, selection: Selection, *, full: bool) -> Iterator[str]:
    """Yield the lines of the trace as one JSON object.

    Every number of the calculator is a string, exactly as printed. ``weights`` are always complete. ``steps`` are those
    selected; a cell's ``expression`` is its arithmetic, and null where it was given, masked, or (without ``full``) not
    worked out. ``probabilities`` compares each with float64.
    """
    positions = shown_places("t", trace.sizes, selection)
    record = {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "name": trace.model,
            "parameters": parameter_count(trace.config),
            "config": asdict(trace.config),
        },
        "text": trace.text,
        "digits": trace.digits,
        "tokens": [
            {"position": position, "word": trace.vocabulary[token], "id": token}
            for position, token in enumerate(trace.tokens)
        ],
        "weights": [
            {"name": name, "shape": list(shape), "cells": _Lines(_weight_cells(trace, name, shape))}
            for name, shape in trace.weight_shapes.items()
        ],
        "steps": [_step(trace, step, selection, full=full) for step in select_steps(trace.steps, selection)],
        "next_words": _Lines(_next_word(trace, position) for position in positions),
        "largest_difference_from_float64": largest_difference(
            [one for position in positions for one in comparisons(trace, position)]
        ).difference,
        "probabilities": _Lines(_compared(trace, positions)),
    }
    yield from "".join(_written(record, "")).split("\n")


def _weight_cells(trace: Trace, name: str, shape: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    return (_cell(index, trace.page[name][index], None) for index in indices_of(shape))


def _step(trace: Trace, step: Step, selection: Selection, *, full: bool) -> dict[str, Any]:
    worked = worked_index(trace, step, selection)
    return {
        "name": step.name,
        "meaning": step.meaning,
        "equation": step.equation,
        "section": step.section,
        "axes": list(step.axes),
        "shape": list(trace.sizes.shape(step.axes)),
        "cells": _Lines(
            _cell(
                index,
                trace.page[step.name][index],
                cell_arithmetic(trace, step, index) if full or index == worked else None,
            )
            for index in shown_indices(step, trace.sizes, selection)
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


def _compared(trace: Trace, positions: Iterable[int]) -> Iterator[dict[str, Any]]:
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
    """A list each of whose items is written on one line."""


def _written(value: Any, indent: str) -> Iterator[str]:
    """Yield the pieces of ``value`` as JSON; objects and lists of objects go over several lines."""
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
        yield from [json.dumps(item, ensure_ascii=False)] if one_line else _written(item, deeper)
    yield f"\n{indent}{brackets[1]}"
