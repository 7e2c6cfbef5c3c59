"""Write a trace as Markdown: headings, tables, and worked lines in blocks of code, as in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from handcalc.page.blocks import Block, Calculation, Columns, Formula, Grid, Heading, Note, Panels, Paragraph
from handcalc.page.layout import Table, directions, fit_width, wrap_worked_line
from handcalc.page.trace_page import page_blocks
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace

_SPECIAL = re.compile(r"[\\`*<>|\[\]]|(?<!\w)_|_(?!\w)")
"""The characters that Markdown would interpret; an underscore inside a name is safe."""

_ESCAPED = re.compile(r"\\([\\`*<>|\[\]_])")


def markdown_lines(trace: Trace, selection: Selection, *, full: bool) -> Iterator[str]:
    """Yield the page's lines."""
    return block_lines(page_blocks(trace, selection, full=full))


def block_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the lines of the blocks, separated by blank lines; consecutive worked lines are one block of code."""
    first = True
    for calculations, group in groupby(blocks, key=lambda block: isinstance(block, Calculation)):
        for lines in [_code(group)] if calculations else map(_lines, group):
            if not first:
                yield ""
            yield from lines
            first = False


def _lines(block: Block) -> list[str]:
    match block:
        case Heading(text, level):
            return [f"{'#' * level} {escape(text)}"]
        case Paragraph(text) | Note(text):
            return [escape(text)]
        case Formula(equation, section, facts):
            line = f"`{equation}` ({section})" if section else f"`{equation}`"
            return [line, *([""] if facts else []), *(f"- {escape(fact)}" for fact in facts)]
        case Grid(title, table):
            fitting = fit_width(table)
            above = [title, directions(fitting) if fitting is not table else ""]
            return [*(line for text in above if text for line in (escape(text), "")), *_grid(fitting)]
        case Columns(rows, headed):
            return _table(rows[0], rows[1:]) if headed else _table([""] * len(rows[0]), rows)
        case Panels(rows=rows):
            return _table(rows[0], rows[1:])
    raise TypeError(f"{type(block).__name__} is not a block")


def _code(blocks: Iterable[Block]) -> list[str]:
    lines = [line for block in blocks if isinstance(block, Calculation) for line in wrap_worked_line(*block)]
    return ["```", *lines, "```"]


def _grid(table: Table) -> list[str]:
    corner = " \\ ".join(part for part in table.corner if part)
    rows = [[label, *cells] for label, cells in zip(table.rows, table.cells, strict=True)]
    return _table([corner, *table.columns], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table: words in the first column, mostly numbers in the others."""
    return [_row(header), _row([":--", *["--:"] * (len(header) - 1)], raw=True), *map(_row, rows)]


def _row(cells: Iterable[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cell.strip() if raw else escape(cell.strip()) for cell in cells)} |"


def escape(text: str) -> str:
    """Return the text so that Markdown shows it unchanged."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def unescape(text: str) -> str:
    """Return the text that Markdown shows."""
    return _ESCAPED.sub(r"\1", text)
