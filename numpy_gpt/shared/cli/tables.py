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


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], style: Style = plain, page: int | None = None
) -> list[str]:
    """Return the titles and the rows as lines, each column as wide as its widest cell.

    In a table that is wider than the ``page``, the words of a title are written below each other.
    """
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    cells = [
        align_at_point(texts) if column.align == "point" else texts
        for column, texts in zip(columns, cells, strict=True)
    ]
    titles = [[column.title] for column in columns]
    fitted = _fitted(columns, titles, cells)
    if page is not None and sum(column.width + len(_GAP) for column in fitted) - len(_GAP) > page:
        titles = _below_each_other(columns)
        fitted = _fitted(columns, titles, cells)
    heads = [column._replace(role="heading") for column in fitted]
    lines = [row_line(heads, row, style) for row in zip(*titles, strict=True)]
    return [*lines, *(row_line(fitted, row, style) for row in zip(*cells, strict=True))]


def _fitted(columns: Sequence[Column], *texts: Sequence[Sequence[str]]) -> list[Column]:
    """Return the columns, each as wide as its widest text."""
    return [
        column._replace(width=max(column.width, *(len(text) for part in parts for text in part)))
        for column, *parts in zip(columns, *texts, strict=True)
    ]


def _below_each_other(columns: Sequence[Column]) -> list[list[str]]:
    """Return the words of each title, the last ones in one line; a name such as ``n_embd`` breaks after ``_``."""
    words = [column.title.replace("_", "_ ").split() for column in columns]
    height = max(map(len, words))
    return [[""] * (height - len(title)) + title for title in words]


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


def in_columns(entries: Sequence[str], width: int) -> list[str]:
    """Return the entries as lines of equally wide columns, as many as fit the width, read from top to bottom."""
    widest = max(map(len, entries))
    across = max(1, (width + len(_GAP)) // (widest + len(_GAP)))
    down = -(-len(entries) // across)
    rows = (entries[row::down] for row in range(down))
    return [_GAP.join(f"{entry:<{widest}}" for entry in row).rstrip() for row in rows]


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
