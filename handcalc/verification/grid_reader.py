"""Read the tables of a trace, in text or Markdown, back into the cells that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from handcalc.arithmetic.expression import Index
from handcalc.tracing.steps import CHANGE, UPDATED, Step

_CORNER = re.compile(r"([a-z])(?: \\ ([a-z]))?")
_CHANGES = "before, change, after"
_TITLE = re.compile(rf"uses (\S+) \(.*|head ([0-9]+)|result|{_CHANGES}")
_RULE = re.compile(r"\|(?: :?-+:? \|)+")
_EQUATION = re.compile(r"\([0-9]+\.[0-9]+(?:, [0-9]+\.[0-9]+)*\)")  # the end of a long one can look like a header
_BAR = re.compile(r"(?<!\\)\|")
_ESCAPED = re.compile(r"\\([\\`*<>|\[\]_])")
_STATES = ("before", CHANGE, "after")


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell of a table: the line it stands in, which cell of which tensor it is, and what stands there."""

    place: int
    name: str
    index: Index
    text: str


class Grid(NamedTuple):
    """A table as it is printed; each row with the number of its line."""

    title: str
    place: int
    corner: tuple[str, ...]
    columns: list[str]
    rows: list[tuple[int, str, list[str]]]


class DisorderlyTable(ValueError):
    """A table whose rows or columns are not numbered one after the other; ``place`` is its line."""

    def __init__(self, place: int) -> None:
        super().__init__("the rows or columns of this table are not numbered one after the other")
        self.place = place


def read_grids(lines: list[str], start: int, end: int) -> Iterator[Grid]:
    """Yield the tables between two lines; one that is cut into several has its title only above the first."""
    title, place = "", start
    while place < end:
        stripped = lines[place].strip()
        if _TITLE.fullmatch(stripped):
            title = stripped
        header = table_fields(lines[place])
        corner = _CORNER.fullmatch(header[0]) if len(header) > 1 and not _EQUATION.fullmatch(header[-1]) else None
        place += 1
        if corner is None:
            continue
        first, columns, rows = place, header[1:], []
        while place < end and lines[place].strip():
            if not _RULE.fullmatch(lines[place].strip()):
                rows.append((place + 1, *_row(lines[place], len(columns))))
            place += 1
        yield Grid(title, first, tuple(part for part in corner.groups() if part), columns, rows)


def table_fields(line: str) -> list[str]:
    """Return what stands in the columns of a table's line, in Markdown as its reader sees it."""
    stripped = line.strip()
    if stripped.startswith("|"):
        return [unescaped(field.strip()) for field in _BAR.split(stripped.strip("|"))]
    return re.split(" {2,}", stripped)


def unescaped(text: str) -> str:
    """Return what Markdown shows of a text."""
    return _ESCAPED.sub(r"\1", text)


def _row(line: str, columns: int) -> tuple[str, list[str]]:
    """Return a row's label and its cells, which hold no spaces."""
    if line.lstrip().startswith("|"):
        label, *cells = table_fields(line)
        return label, cells
    words = line.split()
    return " ".join(words[:-columns]), words[-columns:]


def cells_of(grid: Grid, step: Step) -> Iterator[Shown]:
    """Yield the cells that a table in the section of ``step`` shows.

    Raises
    ------
    DisorderlyTable
        If its rows or columns are not numbered one after the other.
    """
    name, axes, before = _tensor(grid, step)
    changes = grid.title == _CHANGES  # elsewhere, before and after are words of the vocabulary
    rows = _labels([label for _, label, _ in grid.rows], changes=changes)
    columns = _labels(grid.columns, changes=changes)
    if not (_in_order(rows) and _in_order(columns)) or any(len(cells) != len(columns) for *_, cells in grid.rows):
        raise DisorderlyTable(grid.place)
    turned = len(axes) == 2 and grid.corner == (axes[1], axes[0])
    for (place, _, cells), (row, state) in zip(grid.rows, rows, strict=True):
        for text, (column, other_state) in zip(cells, columns, strict=True):
            both = (column, row) if turned else (row, column)
            index = tuple(part for part in both if part is not None)
            yield Shown(place, _named(name, state or other_state), (*before, *index), text)


def _tensor(grid: Grid, step: Step) -> tuple[str, str, Index]:
    """Return what the table is of: name, index letters, and the index of the head that it belongs to."""
    match = _TITLE.fullmatch(grid.title)
    if match is not None and match[1] is not None:
        axes = next((weights.axes for weights in step.weights if weights.name == match[1]), "")
        return match[1], axes, ()
    if match is not None and match[2] is not None and len(step.axes) == 3:
        return step.name, step.axes[1:], (int(match[2]),)
    return step.name, step.axes, ()


def _named(name: str, state: str | None) -> str:
    """Return the tensor that a row of a table of changes belongs to."""
    parameter = name.removeprefix(f"{CHANGE}.")
    return {"before": parameter, "after": f"{UPDATED}.{parameter}"}.get(state or "", name)


def _labels(labels: list[str], *, changes: bool) -> list[tuple[int | None, str | None]]:
    """Return of each label its number, if it has one, and which state of a weight it names, if it does.

    In a table of changes the number stands only beside the first of the three states.
    """
    found: list[tuple[int | None, str | None]] = []
    number: int | None = None
    for label in labels:
        words = label.split()
        state = words[-1] if changes and words and words[-1] in _STATES else None
        if words and words[0].isdecimal():
            number = int(words[0])
        elif state in (None, "before"):
            number = None
        found.append((number, state))
    return found


def _in_order(labels: list[tuple[int | None, str | None]]) -> bool:
    numbers = [number for number, state in labels if number is not None and state in (None, "before")]
    return all(after == before + 1 for before, after in pairwise(numbers))
