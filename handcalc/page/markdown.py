"""Read a trace as Markdown: headings, tables, and worked lines as code that reads as in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from handcalc.page.blocks import Block, Columns, Formula, Grid, Heading, Note, Panels, Paragraph, Worked
from handcalc.page.layout import Table, turned, worked_lines
from handcalc.page.page import page_blocks
from handcalc.tracing.selection import Selection
from handcalc.tracing.working import Trace

_SPECIAL = re.compile(r"[\\`*<>|\[\]]|(?<!\w)_|_(?!\w)")
"""What Markdown would take for its own; an underscore inside a name is none of that."""


def markdown_lines(trace: Trace, selection: Selection, *, full: bool) -> Iterator[str]:
    """Yield the page's lines."""
    return block_lines(page_blocks(trace, selection, full=full))


def block_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the lines of the blocks, with a blank line between any two; worked lines in a row are one block of code."""
    first = True
    for worked, group in groupby(blocks, key=lambda block: isinstance(block, Worked)):
        for lines in [_code(group)] if worked else map(_lines, group):
            if not first:
                yield ""
            yield from lines
            first = False


def _lines(block: Block) -> list[str]:
    match block:
        case Heading(text, level):
            return [f"{'#' * level} {escaped(text)}"]
        case Paragraph(text) | Note(text):
            return [escaped(text)]
        case Formula(equation, section, facts):
            return [f"`{equation}` ({section})", "", *(f"- {escaped(fact)}" for fact in facts)]
        case Grid(title, table):
            return [*([escaped(title), ""] if title else []), *_grid(turned(table))]
        case Columns(rows, headed):
            return _table(rows[0], rows[1:]) if headed else _table([""] * len(rows[0]), rows)
        case Panels(rows=rows):
            return _table(rows[0], rows[1:])
    raise TypeError(f"{type(block).__name__} is not a block")


def _code(worked: Iterable[Block]) -> list[str]:
    lines = [line for block in worked if isinstance(block, Worked) for line in worked_lines(*block)]
    return ["```", *lines, "```"]


def _grid(table: Table) -> list[str]:
    corner = " \\ ".join(part for part in table.corner if part)
    rows = [[label, *cells] for label, cells in zip(table.rows, table.cells, strict=True)]
    return _table([corner, *table.columns], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose first column holds words and whose others, mostly, numbers."""
    return [_row(header), _row([":--", *["--:"] * (len(header) - 1)], raw=True), *map(_row, rows)]


def _row(cells: Iterable[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cell.strip() if raw else escaped(cell.strip()) for cell in cells)} |"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\g<0>", text)
