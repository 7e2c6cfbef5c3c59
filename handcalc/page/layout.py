"""Lay text out on a page 100 columns wide: aligned tables, wrapped prose, wrapped worked lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 100
INDENT = " " * 4
CONTINUED = " " * 8
_GAP = 2


class Table(NamedTuple):
    """Numbers as text, with a label for each row and column; ``corner`` says what rows and columns are."""

    corner: tuple[str, str]
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]

    def transposed(self) -> Table:
        """Return the table with rows and columns exchanged; what made labels equally wide is not needed above."""
        above = [" ".join(label.split()) for label in self.rows]
        return Table(self.corner[::-1], self.columns, above, list(zip(*self.cells, strict=True)))


def prose(text: str, *, indent: str = "", continued: str | None = None) -> list[str]:
    """Return a paragraph as lines that fit the page."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if continued is None else continued,
        break_on_hyphens=False,
    )


def table_lines(table: Table) -> list[str]:
    """Return the table's lines: as it is if it fits the page, else turned on its side, else cut into several."""
    return side_by_side(*_columns(turned(table)))


def turned(table: Table) -> Table:
    """Return the table turned on its side if only then it fits the page, else as it is."""
    across = table.transposed()
    return table if _fits(table) or not _fits(across) else across


def _fits(table: Table) -> bool:
    return _width(*_columns(table)) <= WIDTH


def _columns(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return the column of row labels and the others, header first, each padded to one width."""
    corner = " \\ ".join(part for part in table.corner if part)
    label = left_aligned([corner, *table.rows])
    return label, [
        _under(header, aligned([row[place] for row in table.cells])) for place, header in enumerate(table.columns)
    ]


def aligned(numbers: Sequence[str]) -> list[str]:
    """Return numbers padded so that their decimal points stand below one another; words stand to the right."""
    parts = [(number, "") if number.isalpha() else _at_point(number) for number in numbers]
    before = max((len(whole) for whole, _ in parts if not whole.isalpha()), default=0)
    after = max(len(rest) for _, rest in parts)
    lines = [f"{whole:>{before}}{rest:<{after}}" if not whole.isalpha() else whole for whole, rest in parts]
    width = max(map(len, lines))
    return [f"{line:>{width}}" for line in lines]


def _at_point(number: str) -> tuple[str, str]:
    cut = next((place for place, letter in enumerate(number) if letter in ".e"), len(number))
    return number[:cut], number[cut:]


def _under(header: str, column: list[str]) -> list[str]:
    width = max(len(header), len(column[0]))
    return [f"{line:>{width}}" for line in (header, *column)]


def left_aligned(column: list[str]) -> list[str]:
    """Return words padded to one width."""
    width = max(map(len, column))
    return [f"{line:<{width}}" for line in column]


def _width(label: list[str], columns: list[list[str]]) -> int:
    return len(INDENT) + len(label[0]) + sum(_GAP + len(column[0]) for column in columns)


def _joined(label: list[str], columns: list[list[str]]) -> list[str]:
    return [(INDENT + (" " * _GAP).join(parts)).rstrip() for parts in zip(label, *columns, strict=True)]


def worked_lines(name: str, index: tuple[int, ...], arithmetic: str, value: str) -> list[str]:
    """Return a worked line, cut where it is too long; what is cut off stands below, further in.

    The grammar: four spaces, then ``name[index] = arithmetic = value``, and of a single number without the index. Lines
    with eight spaces belong to the line before: joined by a space they are one line again. There is one space around
    ``=``, and none inside a number. docs/trace-format.md has it in full.
    """
    lines, line = [], INDENT + name + (f"[{','.join(map(str, index))}]" if index else "")
    for word in _breakable(f"= {arithmetic} = {value}"):
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = CONTINUED + word
        else:
            line += f" {word}"
    return [*lines, line]


def _breakable(text: str) -> list[str]:
    """Return the words of a worked line; an operator stays with what follows, and long products break after a ``*``."""
    words: list[str] = []
    for word in text.split(" "):
        if words and words[-1] in ("+", "-", "="):
            word = f"{words.pop()} {word}"
        if len(word) <= WIDTH - len(CONTINUED):
            words.append(word)
        else:
            first, *rest = word.split("*")
            words += [f"{part}*" for part in (first, *rest[:-1])] + rest[-1:]
    return words


def left_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of words as lines whose columns start below one another."""
    columns = [left_aligned(list(column)) for column in zip(*rows, strict=True)]
    return [(" " * _GAP).join(parts).rstrip() for parts in zip(*columns, strict=True)]


def side_by_side(label: list[str], blocks: Sequence[list[str]]) -> list[str]:
    """Return blocks of equally many lines next to one another, as many as fit the page; the others follow below."""
    lines: list[str] = []
    padded, rest = left_aligned(label), [left_aligned(block) for block in blocks]
    while rest:
        fitting = max(1, sum(_width(padded, rest[:count]) <= WIDTH for count in range(1, len(rest) + 1)))
        lines += [*([""] if lines else []), *_joined(padded, rest[:fitting])]
        rest = rest[fitting:]
    return lines
