"""The tables of a trace: a step's tensor, and the weights it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.step import CHANGE, UPDATE, UPDATED, Step, Weights, last_part
from handcalc.page.cells import axis_labels, cell_text, number_labels
from handcalc.page.layout import Table, align_left, align_right
from handcalc.page.stated_facts import CHANGES, head_title
from handcalc.tracing.selection import Selection, places_to_show
from handcalc.tracing.trace import Trace


def step_tables(trace: Trace, step: Step, selection: Selection) -> Iterator[tuple[str, Table]]:
    """Yield (title, table) for a step's tensor: one for each head if it has rows and columns in each head.

    A single number needs no table: its worked line is enough.
    """
    places = [places_to_show(letter, trace.plan.sizes, selection) for letter in step.axes]
    if step.name.startswith(f"{CHANGE}."):
        yield CHANGES, _change_table(trace, step, places)
    elif len(step.axes) == 3:
        for first in places[0]:
            yield head_title(first), _matrix(trace, step, step.axes[1:], places[1:], (first,))
    elif len(step.axes) == 2:
        yield "", _matrix(trace, step, step.axes, places, ())
    elif step.axes:
        columns = axis_labels(trace, step.axes, places[0])
        row = [cell_text(trace, step.name, (place,)) for place in places[0]]
        owner = step.name.split(".")[0] if step.phase == UPDATE else last_part(step.name)
        yield "", Table((step.axes, ""), columns, [owner], [[number] for number in row])


def _matrix(trace: Trace, step: Step, axes: str, places: list[Sequence[int]], before: Index) -> Table:
    rows, columns = places
    return Table(
        (axes[0], axes[1]),
        axis_labels(trace, axes[0], rows),
        axis_labels(trace, axes[1], columns),
        [[cell_text(trace, step.name, (*before, row, column)) for column in columns] for row in rows],
    )


def _change_table(trace: Trace, step: Step, places: list[Sequence[int]]) -> Table:
    """Return three rows for each row of a parameter: its values before the update, their changes, the new values."""
    parameter = step.name.removeprefix(f"{CHANGE}.")
    states = {"before": parameter, CHANGE: step.name, "after": f"{UPDATED}.{parameter}"}
    *rows, columns = places
    starts: list[Index] = [(row,) for row in rows[0]] if rows else [()]
    named = [f"{label} " for label in align_left(axis_labels(trace, step.axes[0], rows[0]))] if rows else [""]
    unnamed = " " * len(named[0])
    return Table(
        (step.axes[0] if rows else "", step.axes[-1]),
        [(label if state == "before" else unnamed) + state for label in named for state in states],
        axis_labels(trace, step.axes[-1], columns),
        [_row(trace.numbers[name], start, columns) for start in starts for name in states.values()],
    )


def stages_table(trace: Trace, steps: Sequence[Step], selection: Selection) -> Table:
    """Return a table of several steps for one parameter: each of its rows is a row for each step."""
    axes = steps[0].axes
    *rows, columns = (places_to_show(letter, trace.plan.sizes, selection) for letter in axes)
    starts: list[Index] = [(row,) for row in rows[0]] if rows else [()]
    labels = axis_labels(trace, axes[0], rows[0]) if rows else [""]
    prefixes = [step.name.split(".")[0] for step in steps]
    return Table(
        (axes[0] if rows else "", axes[-1]),
        align_right(
            [f"{label} {prefix}" if prefix == prefixes[0] else prefix for label in labels for prefix in prefixes]
        )
        if rows
        else prefixes,
        axis_labels(trace, axes[-1], columns),
        [_row(trace.numbers[step.name], start, columns) for start in starts for step in steps],
    )


def weight_table(trace: Trace, weights: Weights) -> Table:
    """Return the table of the part of a parameter that a step uses; a vector is one row."""
    values, shape = trace.numbers[weights.name], trace.plan.weight_shapes[weights.name.removeprefix(f"{UPDATED}.")]
    columns = range(weights.start, shape[-1] if weights.stop is None else weights.stop)
    headers = _weight_labels(trace, weights.axes[-1], columns)
    if len(shape) == 1:
        return Table(("", weights.axes), [last_part(weights.name)], headers, [_row(values, (), columns)])
    rows = range(shape[0])
    cells = [_row(values, (row,), columns) for row in rows]
    labels = _weight_labels(trace, weights.axes[0], rows)
    return Table((weights.axes[0], weights.axes[1]), labels, headers, cells)


def _weight_labels(trace: Trace, letter: str, places: Sequence[int]) -> list[str]:
    """Return the labels of a parameter's rows or columns: words only if there is one for each in the vocabulary."""
    return axis_labels(trace, letter, places) if letter in "uv" else number_labels(places)


def _row(values: dict[Index, Decimal], before: Index, columns: Sequence[int]) -> list[str]:
    return [format_number(values[*before, column]) for column in columns]
