"""Plain-text tables for all commands, with columns aligned left, right or at the decimal point."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

from gpt_data.terminal import Style, plain, visible_length

_GAP = "  "

Alignment = Literal["left", "right", "point"]


class Column(NamedTuple):
    """A column: its title, the alignment of its cells, its minimum width in characters, and the role of its cells."""

    title: str
    align: Alignment = "right"
    width: int = 0
    role: str = ""


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], style: Style = plain) -> list[str]:
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
    return [title_line(fitted, style), *(row_line(fitted, row, style) for row in zip(*cells, strict=True))]


def title_line(columns: Sequence[Column], style: Style = plain) -> str:
    """Return the line of titles, for a table that is written row by row."""
    titles = [column._replace(role="heading") for column in columns]
    return row_line(titles, [column.title for column in columns], style)


def row_line(columns: Sequence[Column], cells: Sequence[str], style: Style = plain) -> str:
    """Return one row; a cell that is wider than its column pushes the rest of the row aside."""
    padded = []
    for column, cell in zip(columns, cells, strict=True):
        space = " " * (column.width - visible_length(cell))
        cell = style(column.role, cell) if column.role and cell else cell
        padded.append(cell + space if column.align == "left" else space + cell)
    return _GAP.join(padded).rstrip()


def side_by_side(blocks: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return blocks of lines side by side, as columns: as many as fit the width, and the others below, after a gap."""
    columns = [Column("", "left", max(map(visible_length, block))) for block in blocks]
    fitting, used = 1, columns[0].width
    while fitting < len(columns) and (width is None or used + len(_GAP) + columns[fitting].width <= width):
        used += len(_GAP) + columns[fitting].width
        fitting += 1
    lines = [row_line(columns[:fitting], row) for row in zip_longest(*blocks[:fitting], fillvalue="")]
    return lines if fitting == len(blocks) else [*lines, "", *side_by_side(blocks[fitting:], width)]


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
