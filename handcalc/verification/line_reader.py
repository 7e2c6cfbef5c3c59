"""Find the worked lines and the steps' sections of a text or Markdown page; everything else on it is prose.

A line that is too long continues in lines that are indented by at least four more spaces. In Markdown a worked line is
in a block of code, where it looks as it does in a text, or between backticks.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.notation import NAME, normalize_signs, read_number
from handcalc.arithmetic.writing import cell_label
from handcalc.page.stated_facts import read_step_heading

EXTRA_INDENT = 4

_LABEL = re.compile(rf"({NAME})\s*(?:\[\s*([0-9]{{1,9}}(?:\s*,\s*[0-9]{{1,9}})*)\s*\])?")
_LETTER_FREE = re.compile(r"(?:exp|log|ln|sqrt|tanh|max|inf|√|[eE](?=[-+0-9])|[-+*/^(),.\s0-9])*")
_START = re.compile(rf"\s*{NAME}\s*(?:\[[0-9\s,]+\]\s*(?:[=≈≃≅]|$)|[=≈≃≅])")
_OTHER_HEADING = re.compile(r"#+ .*|[-=]{3,}")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class WorkedLine:
    """One worked line: its place in the file, its cell, its arithmetic as written, and its value as written.

    ``place`` is the number of its first line in the file, or 0 if the file has no lines that count. There are several
    ``arithmetics`` if somebody wrote down an intermediate step: ``6/4 = 3/2 = 1.5``.
    """

    place: int
    name: str
    index: Index | None
    arithmetics: tuple[str, ...]
    value: str

    @property
    def label(self) -> str:
        """The cell as it is written: ``h.0.attn.q[0,2,1]``."""
        return cell_label(self.name, self.index)


def read_line(text: str, place: int = 0) -> WorkedLine | None:
    """Parse ``text`` as a worked line; return None if it does not look like one.

    With an index of numbers, ``name[0,1] = … = …`` is a worked line whatever the dots are. Without an index, the dots
    must look like arithmetic, because prose and equations contain equals signs too.
    """
    label, *parts = (part.strip() for part in normalize_signs(text).split("="))
    match = _LABEL.fullmatch(label)
    if match is None or len(parts) < 2:
        return None
    name, digits = match.groups()
    index = None if digits is None else tuple(map(int, digits.split(",")))
    line = WorkedLine(place, name, index, tuple(parts[:-1]), parts[-1])
    return line if index is not None or _looks_like_arithmetic(line) else None


def _looks_like_arithmetic(line: WorkedLine) -> bool:
    try:
        value = read_number(line.value)
    except ValueError:
        return True
    written = " ".join(line.arithmetics)
    return value is not None and bool(re.search("[0-9]|inf", written)) and bool(_LETTER_FREE.fullmatch(written))


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
    """Return where the worked line that starts at ``first`` ends: before a line that is not indented further."""
    indent, end = _indent(lines[first]), first + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) >= indent + EXTRA_INDENT:
        if _START.match(lines[end]):
            break
        end += 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def step_ranges(lines: list[str], known: Container[str] | None = None) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each step's section, and the line numbers of its heading and its last line.

    If the steps are ``known``, only their headings count.
    """
    name, start = "", 0
    for place, line in enumerate([*lines, "# end"], 1):
        found = read_step_heading(line)
        if found is not None and known is not None and found not in known:
            found = None
        if found is None and not _OTHER_HEADING.fullmatch(line):
            continue
        if name:
            yield name, start, place - 1
        name, start = ("", 0) if found is None else (found, place)
