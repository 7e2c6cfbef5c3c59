"""Read the tables of a trace, in text or Markdown, back as the cells that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from handcalc.arithmetic.expression import Index
from handcalc.formulas.attribution import is_attribution
from handcalc.formulas.step import CHANGE, UPDATED, Step
from handcalc.page.markdown import unescape
from handcalc.page.stated_facts import CHANGES, STAGES, TableTitle, read_table_title

_CORNER = re.compile(r"([a-z])(?: \\ ([a-z]))?")
_RULE = re.compile(r"\|(?: :?-+:? \|)+")
_EQUATION = re.compile(r"\([0-9]+\.[0-9]+(?:, [0-9]+\.[0-9]+)*\)")  # the end of a long one can look like a header
_BAR = re.compile(r"(?<!\\)\|")
_STATES = ("before", CHANGE, "after")
"""The rows of a table of changes, for each row of the parameter."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell of a table: the number of its line, which cell of which tensor it is, and its text."""

    place: int
    name: str
    index: Index
    text: str


class PrintedTable(NamedTuple):
    """A table as it is printed; each row has the number of its line."""

    title: TableTitle | None
    place: int
    corner: tuple[str, ...]
    columns: list[str]
    rows: list[tuple[int, str, list[str]]]


class DisorderlyTable(ValueError):
    """A table whose rows or columns are not numbered consecutively; ``place`` is its line."""

    def __init__(self, place: int) -> None:
        super().__init__("the rows or columns of this table are not numbered consecutively")
        self.place = place


def read_tables(lines: list[str], start: int, end: int) -> Iterator[PrintedTable]:
    """Yield the tables between two lines; if one was cut into several, only the first has a title above it."""
    title: TableTitle | None = None
    place = start
    while place < end:
        title = read_table_title(lines[place]) or title
        header = split_row(lines[place])
        corner = _CORNER.fullmatch(header[0]) if len(header) > 1 and not _EQUATION.fullmatch(header[-1]) else None
        place += 1
        if corner is None:
            continue
        first, columns, rows = place, header[1:], []
        while place < end and lines[place].strip():
            if not _RULE.fullmatch(lines[place].strip()):
                rows.append((place + 1, *_row(lines[place], len(columns))))
            place += 1
        yield PrintedTable(title, first, tuple(part for part in corner.groups() if part), columns, rows)


def split_row(line: str) -> list[str]:
    """Return the columns of a table's line, without the escapes of Markdown."""
    stripped = line.strip()
    if stripped.startswith("|"):
        return [unescape(field.strip()) for field in _BAR.split(stripped.strip("|"))]
    return re.split(" {2,}", stripped)


def _row(line: str, columns: int) -> tuple[str, list[str]]:
    """Return a row's label and its cells, which contain no spaces."""
    if line.lstrip().startswith("|"):
        label, *cells = split_row(line)
        return label, cells
    words = line.split()
    return " ".join(words[:-columns]), words[-columns:]


def cells_of(table: PrintedTable, steps: Sequence[Step]) -> Iterator[TableCell]:
    """Yield the cells of a table in the section of ``steps``, of which there are several only in the update.

    Raises
    ------
    DisorderlyTable
        If its rows or columns are not numbered consecutively.
    """
    name, axes, before = _tensor(table.title, steps)
    title = "" if table.title is None else table.title.text
    # In other tables, the names of states are words of the vocabulary.
    states = {CHANGES: _STATES, STAGES: tuple(step.name.split(".")[0] for step in steps)}.get(title, ())
    # Also in the rows and columns of a table of states that have a tensor's indices.
    transposed = len(axes) == 2 and table.corner == (axes[1], axes[0])
    in_rows, in_columns = not transposed, transposed or len(axes) == 1
    rows = _labels([label for _, label, _ in table.rows], states if in_rows else ())
    columns = _labels(table.columns, states if in_columns else ())
    few = is_attribution(steps[0])  # its tables have only some words and positions
    if not all(_in_order(labels, states[:1], few=few) for labels in (rows, columns)) or any(
        len(cells) != len(columns) for *_, cells in table.rows
    ):
        raise DisorderlyTable(table.place)
    for (place, _, cells), (row, state) in zip(table.rows, rows, strict=True):
        for text, (column, other_state) in zip(cells, columns, strict=True):
            both = (column, row) if transposed else (row, column)
            index = tuple(part for part in both if part is not None)
            yield TableCell(place, _state_name(name, state or other_state), (*before, *index), text)


def _tensor(title: TableTitle | None, steps: Sequence[Step]) -> tuple[str, str, Index]:
    """Return the tensor that a table shows: its name, its index letters, and the index of the head."""
    step = steps[-1]
    if title is not None and title.weights is not None:
        used = (weights for step in steps for weights in step.weights)
        axes = next((weights.axes for weights in used if weights.name == title.weights), "")
        return title.weights, axes, ()
    if title is not None and title.head is not None and len(step.axes) == 3:
        return step.name, step.axes[1:], (title.head,)
    return step.name, step.axes, ()


def _state_name(name: str, state: str | None) -> str:
    """Return the tensor that a row of a table of changes, or of a table of all steps of the update, belongs to."""
    parameter = name.removeprefix(f"{CHANGE}.")
    named = {None: name, "before": parameter, "after": f"{UPDATED}.{parameter}"}
    return named[state] if state in named else f"{state}.{parameter}"


def _labels(labels: list[str], states: Sequence[str]) -> list[tuple[int | None, str | None]]:
    """Return each label's number and the one of the ``states`` of a weight that it names, or None where it lacks one.

    Only the first of the states has the number.
    """
    found: list[tuple[int | None, str | None]] = []
    number: int | None = None
    for label in labels:
        words = label.split()
        state = words[-1] if words and words[-1] in states else None
        if words and words[0].isdecimal():
            number = int(words[0])
        elif state in (None, *states[:1]):
            number = None
        found.append((number, state))
    return found


def _in_order(labels: list[tuple[int | None, str | None]], first: Sequence[str], *, few: bool) -> bool:
    """Return whether the numbers are consecutive, or if there are only ``few`` of them, whether they rise."""
    numbers = [number for number, state in labels if number is not None and state in (None, *first)]
    return all(after > before if few else after == before + 1 for before, after in pairwise(numbers))
