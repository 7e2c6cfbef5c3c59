"""Write a trace as text: a page 100 columns wide in a file, to be followed with a pocket calculator.

docs/trace-format.md says how a program reads its worked lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gpt_data.terminal import Style, plain
from handcalc.page.blocks import (
    PAGE,
    PART,
    STEP,
    Block,
    Calculation,
    Columns,
    Formula,
    Grid,
    Heading,
    Note,
    Panels,
    Paragraph,
)
from handcalc.page.cells import MASKED
from handcalc.page.layout import (
    INDENT,
    WIDTH,
    directions,
    fit_width,
    left_columns,
    prose,
    side_by_side,
    table_lines,
    wrap_worked_line,
)
from handcalc.page.trace_page import page_blocks
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace

_UNDERLINES = {PAGE: "=", PART: "-"}


def text_lines(
    trace: Trace, selection: Selection, *, full: bool, style: Style = plain, width: int = WIDTH
) -> Iterator[str]:
    """Yield the page's lines."""
    return block_lines(page_blocks(trace, selection, full=full), style, width)


def block_lines(blocks: Iterable[Block], style: Style = plain, width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of the blocks, at most ``width`` wide, with the blank lines between them."""
    before: Block | None = None
    for block in blocks:
        yield from [""] * _gap(before, block)
        yield from _lines(block, style, width)
        before = block


def _gap(before: Block | None, block: Block) -> int:
    """Return the number of blank lines between two blocks."""
    if before is None or (isinstance(before, Heading) and before.level == STEP):
        return 0
    if isinstance(before, Calculation | Formula) and type(before) is type(block):
        return 0
    return 2 if isinstance(block, Heading) and block.level in _UNDERLINES else 1


def _lines(block: Block, style: Style, width: int) -> Iterator[str]:
    match block:
        case Heading(text, level) if level in _UNDERLINES:
            yield style("heading", text)
            yield style("heading", _UNDERLINES[level] * len(text))
        case Heading(text, level):
            yield from [style("heading", text)] if level == STEP else prose(text, width=width)
        case Paragraph(text):
            yield from prose(text, width=width)
        case Formula(equation, section, facts):
            yield from prose(f"{equation}   ({section})" if section else equation, indent=INDENT, width=width)
            for fact in facts:
                yield from prose(fact, indent=INDENT, width=width)
        case Note(text):
            yield from prose(text, indent=INDENT, width=width)
        case Grid(title, table):
            yield from ([INDENT + title] if title else [])
            fitting = fit_width(table, width)
            if fitting is not table:  # transposed, and says so
                yield from prose(directions(fitting), indent=INDENT, width=width)
            yield from (line.replace(MASKED, style(MASKED, MASKED)) for line in table_lines(fitting, width))
        case Columns(rows):
            yield from (INDENT + line for line in left_columns(rows))
        case Panels(labels, panels):
            yield from side_by_side(labels, panels, width)
        case Calculation():
            yield from _calculation_lines(block, style, width)


def _calculation_lines(block: Calculation, style: Style, width: int) -> list[str]:
    """Return the worked line with its name and its value in their styles."""
    lines = wrap_worked_line(*block, width)
    name, rest = lines[0].split(" = ", 1) if " = " in lines[0] else (lines[0], "")
    lines[0] = f"{INDENT}{style('name', name.strip())}{' = ' * bool(rest)}{rest}"
    lines[-1] = lines[-1].removesuffix(block.value) + style("value", block.value)
    return lines
