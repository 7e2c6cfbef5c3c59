"""Lay out text on a page, in a file 100 columns wide: aligned tables, wrapped prose, wrapped worked lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from handcalc.arithmetic.writing import cell_label
from handcalc.formulas.step import AXES

WIDTH = 100
INDENT = " " * 4
CONTINUED = " " * 8
_GAP = 2


class Table(NamedTuple):
    """Numbers as text, with a label for each row and column; ``corner`` has the index letters of rows and columns."""

    corner: tuple[str, str]
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]

    def transpose(self) -> Table:
        """Return the table with rows and columns exchanged; row labels lose their padding when they become headers."""
        above = [" ".join(label.split()) for label in self.rows]
        return Table(self.corner[::-1], self.columns, above, list(zip(*self.cells, strict=True)))


def prose(text: str, *, indent: str = "", continued: str | None = None, width: int = WIDTH) -> list[str]:
    """Return a paragraph as lines that fit the page."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent if continued is None else continued,
        break_on_hyphens=False,
    )


def table_lines(table: Table, width: int = WIDTH) -> list[str]:
    """Return the table's lines: unchanged if it fits the page, else transposed, else cut into several tables."""
    return side_by_side(*_columns(fit_width(table, width)), width)


def fit_width(table: Table, width: int = WIDTH) -> Table:
    """Return the table, transposed if it fits the page only that way."""
    if _width(*_columns(table)) <= width:
        return table
    across = table.transpose()
    return across if _width(*_columns(across)) <= width else table


def directions(table: Table) -> str:
    """Return what runs down and what across in a table with two axes; empty for other tables."""
    if not all(table.corner):
        return ""
    down, across = (AXES[letter][1].partition(":")[0] for letter in table.corner)
    return f"{down} down, {across} across"


def _columns(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return the column of row labels and the others, header first, each padded to one width."""
    corner = " \\ ".join(part for part in table.corner if part)
    label = align_left([corner, *table.rows])
    return label, [
        align_right([header, *align_points([row[place] for row in table.cells])])
        for place, header in enumerate(table.columns)
    ]


def align_points(numbers: Sequence[str]) -> list[str]:
    """Return numbers padded so that their decimal points are aligned; words are aligned to the right."""
    parts = [(number, "") if number.isalpha() else _split_at_point(number) for number in numbers]
    before = max((len(whole) for whole, _ in parts if not whole.isalpha()), default=0)
    after = max(len(rest) for _, rest in parts)
    lines = [f"{whole:>{before}}{rest:<{after}}" if not whole.isalpha() else whole for whole, rest in parts]
    return align_right(lines)


def _split_at_point(number: str) -> tuple[str, str]:
    cut = next((place for place, letter in enumerate(number) if letter in ".e"), len(number))
    return number[:cut], number[cut:]


def align_left(column: Sequence[str]) -> list[str]:
    """Return words padded on the right to one width."""
    width = max(map(len, column))
    return [f"{line:<{width}}" for line in column]


def align_right(column: Sequence[str]) -> list[str]:
    """Return words padded on the left to one width."""
    width = max(map(len, column))
    return [f"{line:>{width}}" for line in column]


def _width(label: list[str], columns: list[list[str]]) -> int:
    return len(INDENT) + len(label[0]) + sum(_GAP + len(column[0]) for column in columns)


def _join_columns(label: list[str], columns: list[list[str]]) -> list[str]:
    return [(INDENT + (" " * _GAP).join(parts)).rstrip() for parts in zip(label, *columns, strict=True)]


def wrap_worked_line(name: str, index: tuple[int, ...], arithmetic: str, value: str, width: int = WIDTH) -> list[str]:
    """Return a worked line as lines that fit the page; a long one continues below, indented.

    The grammar: four spaces, then ``name[index] = arithmetic = value``, without the index for a single number. Lines
    with eight spaces belong to the line before: joined by a space they are one line again. There is one space on each
    side of ``=``, and none inside a number. docs/trace-format.md has the full grammar.
    """
    lines, line = [], INDENT + cell_label(name, index)
    for word in _break_points(f"= {arithmetic} = {value}", width):
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = CONTINUED + word
        else:
            line += f" {word}"
    return [*lines, line]


def _break_points(text: str, width: int) -> list[str]:
    """Return the words of a worked line; an operator stays with its right operand, long products break after ``*``."""
    words: list[str] = []
    for word in text.split(" "):
        if words and words[-1] in ("+", "-", "="):
            word = f"{words.pop()} {word}"
        if len(word) <= width - len(CONTINUED):
            words.append(word)
        else:
            first, *rest = word.split("*")
            words += [f"{part}*" for part in (first, *rest[:-1])] + rest[-1:]
    return words


def left_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of words as lines with aligned columns."""
    columns = [align_left(column) for column in zip(*rows, strict=True)]
    return [(" " * _GAP).join(parts).rstrip() for parts in zip(*columns, strict=True)]


def side_by_side(label: list[str], blocks: Sequence[list[str]], width: int = WIDTH) -> list[str]:
    """Return blocks with the same number of lines side by side, as many as fit the page; the others follow below."""
    lines: list[str] = []
    padded, rest = align_left(label), [align_left(block) for block in blocks]
    while rest:
        fitting = max(1, sum(_width(padded, rest[:count]) <= width for count in range(1, len(rest) + 1)))
        lines += [*([""] if lines else []), *_join_columns(padded, rest[:fitting])]
        rest = rest[fitting:]
    return lines
