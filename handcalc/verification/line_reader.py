"""Find the worked lines and the steps' sections of a text or Markdown page; everything else on it is prose.

A line that is too long continues in lines that are indented by at least four more spaces. In Markdown a worked line is
in a block of code, where it looks as it does in a text, or between backticks.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.notation import NAME, normalize_signs, read_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.arithmetic.writing import cell_label
from handcalc.formulas.step import CHANGE
from handcalc.page.stated_facts import read_step_heading, read_update_heading

EXTRA_INDENT = 4

_LABEL = re.compile(rf"({NAME})\s*(?:\[\s*([0-9]{{1,9}}(?:\s*,\s*[0-9]{{1,9}})*)\s*\])?")
_FUNCTION = "(?:exp|log|ln|sqrt|tanh|erf|max)"
_LETTER_FREE = re.compile(r"(?:exp|log|ln|sqrt|tanh|erf|max|inf|√|[eE](?=[-+0-9])|[-+*/^(),.\s0-9])*")
_MARKER = re.compile(r"\s*(?:[-*•]|[0-9]{1,3}[.)]|[a-z][.)]|\([a-z]\))\s+")
_NAMED = re.compile(rf"\s*{NAME}\s*(?:\[[0-9\s,]+\]\s*(?:[=≈≃≅]|$)|[=≈≃≅])")
_NAMELESS = re.compile(rf"\s*(?:[-+−(√.0-9]|{_FUNCTION}\s*\()[^=≈≃≅]*[=≈≃≅]")
_OPERATION = re.compile(rf"[0-9)]\s*[-+*/^]|{_FUNCTION}|√")
_OTHER_HEADING = re.compile(r"#+ .*|[-=]{3,}")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class WorkedLine:
    """One worked line: its place in the file, its cell, its arithmetic as written, and its value as written.

    ``place`` is the number of its first line in the file, or 0 if the file has no lines that count. There are several
    ``arithmetics`` if somebody wrote down an intermediate step: ``6/4 = 3/2 = 1.5``. A line such as
    ``exp(2) = 7.389`` has no name. ``height`` counts the lines of the file that it takes.
    """

    place: int
    name: str
    index: Index | None
    arithmetics: tuple[str, ...]
    value: str
    height: int = 1

    @property
    def label(self) -> str:
        """The cell as it is written: ``h.0.attn.q[0,2,1]``; empty without a name."""
        return cell_label(self.name, self.index)


def read_line(text: str, place: int = 0, height: int = 1) -> WorkedLine | None:
    """Parse ``text`` as a worked line; return None if it does not look like one.

    With an index of numbers, ``name[0,1] = … = …`` is a worked line whatever the dots are. Without an index, the dots
    must look like arithmetic, because prose and equations contain equals signs too. Without a name, they must be
    arithmetic with an operator or a function. A list's marker, such as ``-`` or ``2.``, may precede it.
    """
    marker = _MARKER.match(text)
    texts = [text, text[marker.end() :]] if marker else [text]
    readings = (read(one, place, height) for read in (_read_named, _read_nameless) for one in texts)
    return next((line for line in readings if line), None)


def _read_nameless(text: str, place: int, height: int) -> WorkedLine | None:
    *arithmetics, value = (part.strip() for part in normalize_signs(text).split("="))
    line = WorkedLine(place, "", None, tuple(arithmetics), value, height)
    if not arithmetics or not _OPERATION.search(" ".join(arithmetics)) or not _looks_like_arithmetic(line):
        return None
    try:
        for arithmetic in arithmetics:
            parse_arithmetic(arithmetic)
    except UnreadableArithmetic:
        return None
    return line


def _read_named(text: str, place: int, height: int) -> WorkedLine | None:
    label, *parts = (part.strip() for part in normalize_signs(text).split("="))
    match = _LABEL.fullmatch(label)
    if match is None or len(parts) < 2:
        return None
    name, digits = match.groups()
    index = None if digits is None else tuple(map(int, digits.split(",")))
    line = WorkedLine(place, name, index, tuple(parts[:-1]), parts[-1], height)
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
            spans = [code for code in _CODE.findall(lines[first]) if _starts(code)]
            found = [line for span in spans if (line := read_line(span, first + 1))]
            yield from (replace(line, height=int(number == 0)) for number, line in enumerate(found))
        elif _starts(lines[first]):
            end = _end_of_line(lines, first)
            text = " ".join(part.strip() for part in lines[first:end])
            line = read_line(text, first + 1, end - first)
            if line is not None:
                place = end
                yield line


def _starts(line: str) -> bool:
    """Return whether a line may be the first of a worked one."""
    marker = _MARKER.match(line)
    places = (0, marker.end()) if marker else (0,)
    return any(pattern.match(line, place) for pattern in (_NAMED, _NAMELESS) for place in places)


def _end_of_line(lines: list[str], first: int) -> int:
    """Return where the worked line that starts at ``first`` ends: before a line that is not indented further."""
    indent, end = _indent(lines[first]), first + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) >= indent + EXTRA_INDENT:
        if _NAMED.match(lines[end]):
            break
        end += 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def step_ranges(lines: list[str], known: Container[str] | None = None) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each step's section, and the line numbers of its heading and its last line.

    A section of all steps of AdamW for a parameter has the name of the last of them. If the steps are ``known``, only
    their headings count.
    """
    name, start = "", 0
    for place, line in enumerate([*lines, "# end"], 1):
        parameter = read_update_heading(line)
        found = read_step_heading(line) if parameter is None else f"{CHANGE}.{parameter}"
        if found is not None and known is not None and found not in known:
            found = None
        if found is None and not _OTHER_HEADING.fullmatch(line):
            continue
        if name:
            yield name, start, place - 1
        name, start = ("", 0) if found is None else (found, place)
