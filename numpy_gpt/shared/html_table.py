"""Small pieces of HTML, for notebooks: tables, paragraphs and lines of code. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_MOST_ROWS = 40


def html_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table: words in the first column, numbers in the others; of very many rows the middle is left out.

    There is no caption if it is empty, and no header if that is.
    """
    parts = ["<table>", f"<caption>{escape(caption)}</caption>" * bool(caption)]
    if header:
        titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
        parts.append(f"<thead><tr>{titles}</tr></thead>")
    half = _MOST_ROWS // 2
    parts.append("<tbody>")
    parts += map(_row, rows if len(rows) <= _MOST_ROWS else rows[:half])
    if len(rows) > _MOST_ROWS:
        parts.append(f'<tr><td colspan="{len(rows[0])}">… {len(rows) - 2 * half:,} rows …</td></tr>')
        parts += map(_row, rows[-half:])
    return "".join([*parts, "</tbody></table>"])


def _row(cells: Sequence[str]) -> str:
    first, *others = map(escape, cells)
    numbers = "".join(f'<td style="text-align: right">{cell}</td>' for cell in others)
    return f'<tr><th scope="row" style="text-align: left">{first}</th>{numbers}</tr>'


def html_heading(text: str, level: int) -> str:
    """Return a heading; 1 is the highest level of a cell's output, below the headings of a notebook."""
    return f"<h{min(level + 3, 6)}>{escape(text)}</h{min(level + 3, 6)}>"


def html_paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def html_code(lines: Iterable[str]) -> str:
    """Return lines as they are, in letters of one width."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def html_details(summary: str, inside: str) -> str:
    """Return HTML that is folded away below a summary; ``inside`` is HTML already."""
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"
