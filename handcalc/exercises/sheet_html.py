"""Write worksheets as one HTML file to print: each begins a page, with space to write, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from gpt_data.terminal import plain
from handcalc.exercises.exercise_page import BLANK, Kind, Part
from numpy_gpt.shared.web_page import web_page

_WIDTH = 84
"""Characters of a line of numbers, which then fits A4 and Letter."""

_STYLE = Path(__file__).parent / "sheet.css"
_CLOSE_EXERCISE, _CLOSE_SHEET = "</section>", "</article>"


def as_html(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of the page; every title begins a sheet, and every heading an exercise."""
    parts = list(parts)
    name = next(part.text for part in parts if part.kind is Kind.TITLE)
    style = _STYLE.read_text(encoding="utf-8")
    yield from web_page(name, "\n".join(_body(parts)), style, "").splitlines()


def _body(parts: list[Part]) -> Iterator[str]:
    unclosed: list[str] = []
    yield "<main>"
    for part in parts:
        if part.kind is Kind.TITLE:
            yield from reversed(unclosed)
            unclosed = [_CLOSE_SHEET]
            yield f"<article>\n<h1>{escape(part.text)}</h1>"
        elif part.kind is Kind.HEADING:
            if unclosed[-1] == _CLOSE_EXERCISE:
                yield unclosed.pop()
            unclosed.append(_CLOSE_EXERCISE)
            yield f"<section>\n<h2>{escape(part.text)}</h2>"
        else:
            yield _element(part)
    yield from reversed(unclosed)
    yield "</main>"


def _element(part: Part) -> str:
    if part.kind is Kind.LINES:
        lines = "\n".join(part.layout(_WIDTH, plain))
        return f"<pre>{escape(lines)}</pre>"
    if part.kind is Kind.SPACE:
        return f'<div class="space">{"<div></div>" * part.lines}</div>'
    if part.kind is Kind.FORM:
        blanks = "".join(f"<span>{escape(blank)}</span>" for blank in part.text.split(BLANK))
        return f'<p class="form">{blanks}</p>'
    return f"<p>{escape(part.text)}</p>"
