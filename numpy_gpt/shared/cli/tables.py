"""Plain-text tables for all commands, with columns aligned left, right or at the decimal point."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

_GAP = "  "

Alignment = Literal["left", "right", "point"]


class Column(NamedTuple):
    """A column: its title, the alignment of its cells, and its minimum width in characters."""

    title: str
    align: Alignment = "right"
    width: int = 0


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the titles and the rows as lines, each column as wide as its widest cell."""
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    cells = [
        align_at_point(texts) if column.align == "point" else texts
        for column, texts in zip(columns, cells, strict=True)
    ]
    fitted = [
        column._replace(width=max(len(column.title), column.width, *map(len, texts)))
        for column, texts in zip(columns, cells, strict=True)
    ]
    return [title_line(fitted), *(row_line(fitted, row) for row in zip(*cells, strict=True))]


def title_line(columns: Sequence[Column]) -> str:
    """Return the line of titles, for a table that is written row by row."""
    return row_line(columns, [column.title for column in columns])


def row_line(columns: Sequence[Column], cells: Sequence[str]) -> str:
    """Return one row; a cell that is wider than its column pushes the rest of the row aside."""
    padded = [
        f"{cell:<{column.width}}" if column.align == "left" else f"{cell:>{column.width}}"
        for column, cell in zip(columns, cells, strict=True)
    ]
    return _GAP.join(padded).rstrip()


def side_by_side(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Return blocks of lines side by side, as columns."""
    columns = [Column("", "left", max(map(len, block))) for block in blocks]
    return [row_line(columns, row) for row in zip_longest(*blocks, fillvalue="")]


def align_at_point(cells: Sequence[str]) -> list[str]:
    """Return numbers padded so that their decimal points line up; words are unchanged."""
    parts = [_split_at_point(cell) for cell in cells]
    after = max((len(rest) for whole, rest in parts if whole), default=0)
    return [f"{whole}{rest:<{after}}" if whole else rest for whole, rest in parts]


def _split_at_point(cell: str) -> tuple[str, str]:
    if not cell[-1:].isdecimal():
        return "", cell
    place = min((place for place in map(cell.find, ".e") if place >= 0), default=len(cell))
    return cell[:place], cell[place:]
