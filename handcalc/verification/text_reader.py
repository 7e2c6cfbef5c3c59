"""Find the worked lines and the steps' sections of a text or Markdown page; everything else on it is prose.

A line that is too long goes on in lines that stand at least four spaces further in. In Markdown a worked line stands in
a block of code, where it looks as it does in a text, or between backticks.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from handcalc.verification.worked_line import NAME, WorkedLine, read_line

FURTHER_IN = 4

_START = re.compile(rf"\s*{NAME}\s*(?:\[[0-9\s,]+\]\s*(?:[=≈≃≅]|$)|[=≈≃≅])")
_STEP_HEADING = re.compile(rf"(?:#+ )?[0-9]+\. ({NAME})")
_OTHER_HEADING = re.compile(r"#+ .*|[-=]{3,}")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def worked_lines_of(lines: list[str]) -> Iterator[WorkedLine]:
    """Yield the worked lines among the page's lines, in order."""
    place = 0
    while place < len(lines):
        first = place
        place += 1
        if "`" in lines[first]:
            spans = [code for code in _CODE.findall(lines[first]) if _START.match(code)]
            yield from (line for span in spans if (line := read_line(span, first + 1)))
        elif _START.match(lines[first]):
            place = _end_of_line(lines, first)
            line = read_line(" ".join(part.strip() for part in lines[first:place]), first + 1)
            if line is not None:
                yield line


def _end_of_line(lines: list[str], first: int) -> int:
    """Return where the worked line that starts at ``first`` is over: before a line that is no further in."""
    indent, end = _indent(lines[first]), first + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) >= indent + FURTHER_IN:
        if _START.match(lines[end]):
            break
        end += 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def step_ranges(lines: list[str], known: Container[str] | None = None) -> Iterator[tuple[str, int, int]]:
    """Yield of each step's section its name, the number of its heading's line, and of the last line.

    Of ``known`` steps only, where they are known.
    """
    name, start = "", 0
    for place, line in enumerate([*lines, "# end"], 1):
        match = _STEP_HEADING.fullmatch(line)
        heading = match is not None and (known is None or match[1] in known)
        if not heading and not _OTHER_HEADING.fullmatch(line):
            continue
        if name:
            yield name, start, place - 1
        name, start = (match[1], place) if match is not None and heading else ("", 0)
