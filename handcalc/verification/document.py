"""A file to verify, read: its worked lines and, of a trace of this program, also what its tables show."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from handcalc.verification.facts import Facts, digits_of_text, facts_of_json, facts_of_text
from handcalc.verification.grid_reader import DisorderlyTable, Shown, cells_of, read_grids, unescaped
from handcalc.verification.line_check import Finding
from handcalc.verification.text_reader import step_ranges, worked_lines_of
from handcalc.verification.worked_line import WorkedLine

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_AS_IT_IS = re.compile(r"^\||(?<!\\)`")  # a table's line, whose bars part its columns, and one with code in it


class Section(NamedTuple):
    """What stands under the heading of a step: its worked lines and the cells of its tables, in order."""

    name: str
    place: int
    lines: list[WorkedLine]
    shown: list[Shown]


class Document(NamedTuple):
    """All of a file that can be checked.

    ``loose`` are the worked lines that stand under no step; ``facts`` is None where the file is not a trace of this
    program; ``findings`` are what was wrong already in reading.
    """

    digits: int | None
    facts: Facts | None
    loose: list[WorkedLine]
    sections: list[Section]
    findings: list[Finding]

    @property
    def lines(self) -> list[WorkedLine]:
        """Every worked line."""
        return [*self.loose, *(line for section in self.sections for line in section.lines)]


def read_document(text: str) -> Document:
    """Return what there is to check in a file: JSON if it is an object of JSON, else text or Markdown.

    Raises
    ------
    UserError
        If it starts as JSON, but is not, or not of the form of a trace.
    """
    return _json_document(text) if text.lstrip().startswith("{") else _text_document(text)


def _text_document(text: str) -> Document:
    lines = _ANSI.sub("", text).splitlines()
    if any(line.startswith("#") for line in lines):
        lines = [line if _AS_IT_IS.search(line) else unescaped(line) for line in lines]
    worked = list(worked_lines_of(lines))
    facts = facts_of_text(lines)
    if facts is None:
        return Document(digits_of_text(text), None, worked, [], [])
    known = {step.name: step for step in facts.steps}
    sections, findings, places = [], [], [line.place for line in worked]
    for name, start, end in step_ranges(lines, known):
        inside = worked[bisect_right(places, start) : bisect_right(places, end)]
        shown: list[Shown] = []
        for grid in read_grids(lines, start, end):
            try:
                shown += cells_of(grid, known[name])
            except DisorderlyTable as error:
                findings.append(Finding(error.place, name, str(error)))
        sections.append(Section(name, start, inside, shown))
    taken = {line.place for section in sections for line in section.lines}
    return Document(facts.digits, facts, [line for line in worked if line.place not in taken], sections, findings)


def _json_document(text: str) -> Document:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it begins like JSON, but is not: {error}; is it complete?") from error
    try:
        digits = record.get("digits")
        sections = [_json_section(step["name"], step["cells"]) for step in record["steps"]]
        weights = [_json_section(weight["name"], weight["cells"]) for weight in record.get("weights", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError('this JSON is not a trace: it needs "steps", each with "name" and "cells"') from error
    usable = digits if isinstance(digits, int) and not isinstance(digits, bool) else None
    return Document(usable, facts_of_json(record), [], [*weights, *sections], [])


def _json_section(name: str, cells: list[dict[str, Any]]) -> Section:
    lines, shown = [], []
    for cell in cells:
        index, value, written = tuple(cell["index"]), cell["value"], cell.get("expression")
        if (
            not all(isinstance(place, int) for place in index)
            or not isinstance(value, str)
            or not isinstance(name, str)
        ):
            raise TypeError
        shown.append(Shown(0, name, index, value))
        if written is not None:
            lines.append(WorkedLine(0, name, index or None, (str(written),), value))
    return Section(name, 0, lines, shown)
