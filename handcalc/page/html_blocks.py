"""Write blocks as plain HTML without a program or a style, for notebooks: paragraphs, tables, worked lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from handcalc.page.blocks import Block, Calculation, Columns, Formula, Grid, Heading, Note, Panels, Paragraph
from handcalc.page.layout import directions
from numpy_gpt.shared.html_table import html_code, html_heading, html_paragraph, html_table


def block_html(blocks: Iterable[Block]) -> str:
    """Return the blocks as HTML; consecutive worked lines are one block of code."""
    groups = groupby(blocks, key=lambda block: isinstance(block, Calculation))
    return "".join(
        html_code(map(str, group)) if calculations else "".join(map(_html, group)) for calculations, group in groups
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return html_heading(text, level)
        case Paragraph(text) | Note(text):
            return html_paragraph(text)
        case Formula(equation, section, facts):
            return html_code([f"{equation}   ({section})" if section else equation, *facts])
        case Grid(title, table):
            corner = " \\ ".join(part for part in table.corner if part)
            rows = [[label, *cells] for label, cells in zip(table.rows, table.cells, strict=True)]
            return html_table(" ".join(filter(None, (title, directions(table)))), [corner, *table.columns], rows)
        case Columns(rows, headed):
            return html_table("", rows[0], rows[1:]) if headed else html_table("", [], rows)
        case Panels(rows=rows):
            return html_table("", rows[0], rows[1:])
    raise TypeError(f"{type(block).__name__} is not a block")
