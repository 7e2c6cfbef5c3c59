"""The Markdown page: the same blocks as the text, real tables, and worked lines as in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from handcalc.page.blocks import Paragraph
from handcalc.page.markdown import block_lines, escape, markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace

ROW = re.compile(r"(?<!\\)\|")


def fenced_lines(lines: list[str]) -> list[str]:
    """Return the lines inside the fences."""
    inside, found = False, []
    for line in lines:
        if line == "```":
            inside = not inside
        elif inside:
            found.append(line)
    assert not inside
    return found


@pytest.mark.parametrize("full", [False, True])
def test_worked_lines_match_text(full: bool, train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    text = list(text_lines(trace, Selection(), full=full))
    lines = list(markdown_lines(trace, Selection(), full=full))
    code = fenced_lines(lines)
    worked = set(code)
    assert code == [line for line in text if line in worked]
    assert sum(bool(re.match(r"    \S+ = ", line)) for line in code) > len(trace.plan.steps) - 100


def test_tables(train_shipped: Callable[..., Trace]) -> None:
    lines = list(markdown_lines(train_shipped("hello world"), Selection(), full=False))
    rows = [line for line in lines if line.startswith("|")]
    widths = {len(ROW.findall(line)) for line in rows}
    assert min(widths) >= 3
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if re.fullmatch(r"\|( :?-+:? \|)+", line):
            assert len(ROW.findall(before)) == len(ROW.findall(line)) == len(ROW.findall(after))
    assert "| 0 ␣ | -0.31 | 0.25 | -0.5 | -0.31 | 0.42 | -0.07 |" in rows
    assert any("masked" in row for row in rows)


def test_blank_lines(train_shipped: Callable[..., Trace]) -> None:
    lines = list(markdown_lines(train_shipped("hello world"), Selection(), full=False))
    assert lines[0] == "# The arithmetic of a GPT, by pocket calculator"
    assert all(line or following for line, following in pairwise(lines))
    for place, line in enumerate(lines[1:-1], 1):
        if line.startswith("#"):
            assert lines[place - 1] == lines[place + 1] == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a*b", r"a\*b"),
        ("h.0.ln_1.out", "h.0.ln_1.out"),
        ("_word_", r"\_word\_"),
        ("<b> | [x]", r"\<b\> \| \[x\]"),
        ("t \\ c", "t \\\\ c"),
    ],
)
def test_escaping(text: str, shown: str) -> None:
    assert escape(text) == shown
    assert list(block_lines([Paragraph(text)])) == [shown]
