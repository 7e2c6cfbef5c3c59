"""Read a trace as text: a page 100 columns wide, to be followed with a pocket calculator.

docs/trace-format.md says how a program reads its worked lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handcalc.page.blocks import (
    PAGE,
    PART,
    STEP,
    Block,
    Columns,
    Formula,
    Grid,
    Heading,
    Note,
    Panels,
    Paragraph,
    Worked,
)
from handcalc.page.layout import INDENT, left_columns, prose, side_by_side, table_lines, worked_lines
from handcalc.page.page import page_blocks
from handcalc.tracing.selection import Selection
from handcalc.tracing.working import Trace

Style = Callable[[str], str]
"""What makes a heading stand out, or leaves it as it is."""

Accent = Callable[[str, str], str]
"""The same for the ``name`` and the ``value`` of a worked line, and for ``masked``: called with role and text."""


def plain(role: str, text: str) -> str:
    """Return the text as it is."""
    return text


_UNDERLINES = {PAGE: "=", PART: "-"}


def text_lines(
    trace: Trace, selection: Selection, *, full: bool, style: Style, accent: Accent = plain
) -> Iterator[str]:
    """Yield the page's lines."""
    return block_lines(page_blocks(trace, selection, full=full), style, accent)


def block_lines(blocks: Iterable[Block], style: Style, accent: Accent = plain) -> Iterator[str]:
    """Yield the lines of the blocks, with the blank lines between them."""
    before: Block | None = None
    for block in blocks:
        yield from [""] * _gap(before, block)
        yield from _lines(block, style, accent)
        before = block


def _gap(before: Block | None, block: Block) -> int:
    """Return how many blank lines stand between two blocks."""
    if before is None or (isinstance(before, Heading) and before.level == STEP):
        return 0
    if isinstance(before, Worked) and isinstance(block, Worked):
        return 0
    return 2 if isinstance(block, Heading) and block.level in _UNDERLINES else 1


def _lines(block: Block, style: Style, accent: Accent) -> Iterator[str]:
    match block:
        case Heading(text, level) if level in _UNDERLINES:
            yield style(text)
            yield style(_UNDERLINES[level] * len(text))
        case Heading(text, level):
            yield style(text) if level == STEP else text
        case Paragraph(text):
            yield from prose(text)
        case Formula(equation, section, facts):
            yield from prose(f"{equation}   ({section})", indent=INDENT)
            for fact in facts:
                yield from prose(fact, indent=INDENT)
        case Note(text):
            yield INDENT + text
        case Grid(title, table):
            yield from ([INDENT + title] if title else [])
            yield from (line.replace("masked", accent("masked", "masked")) for line in table_lines(table))
        case Columns(rows):
            yield from (INDENT + line for line in left_columns(rows))
        case Panels(labels, panels):
            yield from side_by_side(labels, panels)
        case Worked():
            yield from _accented(block, accent)


def _accented(block: Worked, accent: Accent) -> list[str]:
    """Return the worked line with its name and its value made to stand out."""
    lines = worked_lines(*block)
    if accent is not plain:
        name, rest = lines[0].split(" = ", 1) if " = " in lines[0] else (lines[0], "")
        lines[0] = f"{INDENT}{accent('name', name.strip())}{' = ' * bool(rest)}{rest}"
        lines[-1] = lines[-1].removesuffix(block.value) + accent("value", block.value)
    return lines
