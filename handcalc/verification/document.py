"""Read a file to verify: its worked lines and, if it is a trace of this program, also its tables."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from handcalc.page.markdown import unescape
from handcalc.page.stated_facts import read_digits
from handcalc.tracing.plan import Plan
from handcalc.verification.line_check import Finding
from handcalc.verification.line_reader import WorkedLine, step_ranges, worked_lines_of
from handcalc.verification.plan_reader import join_words, plan_of_json, plan_of_text
from handcalc.verification.table_reader import DisorderlyTable, TableCell, cells_of, read_tables

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NEVER_ESCAPED = re.compile(r"^\||(?<!\\)`")  # a table's line, whose bars separate columns, and one with code


class Section(NamedTuple):
    """The section of a step: its worked lines and the cells of its tables, in order."""

    name: str
    place: int
    lines: list[WorkedLine]
    cells: list[TableCell]


class Document(NamedTuple):
    """All of a file that can be checked.

    ``loose`` are the worked lines that belong to no step; ``plan`` is None if the file is not a trace of this program;
    ``findings`` are the problems found while reading.
    """

    digits: int | None
    plan: Plan | None
    loose: list[WorkedLine]
    sections: list[Section]
    findings: list[Finding]

    @property
    def lines(self) -> list[WorkedLine]:
        """Every worked line."""
        return [*self.loose, *(line for section in self.sections for line in section.lines)]


def read_document(text: str) -> Document:
    """Return what can be checked in a file: JSON if it is a JSON object, else text or Markdown.

    Raises
    ------
    UserError
        If it starts like JSON but is not JSON, or does not have the form of a trace.
    """
    return _json_document(text) if text.lstrip().startswith("{") else _text_document(text)


def _text_document(text: str) -> Document:
    lines = _ANSI.sub("", text).splitlines()
    if any(line.startswith("#") for line in lines):
        lines = [line if _NEVER_ESCAPED.search(line) else unescape(line) for line in lines]
    worked = list(worked_lines_of(lines))
    plan = plan_of_text(lines)
    if plan is None:
        return Document(read_digits(join_words(lines)), None, worked, [], [])
    known = {step.name: step for step in plan.steps}
    sections, findings, places = [], [], [line.place for line in worked]
    for name, start, end in step_ranges(lines, known):
        inside = worked[bisect_right(places, start) : bisect_right(places, end)]
        cells: list[TableCell] = []
        for table in read_tables(lines, start, end):
            try:
                cells += cells_of(table, known[name])
            except DisorderlyTable as error:
                findings.append(Finding(error.place, name, str(error)))
        sections.append(Section(name, start, inside, cells))
    taken = {line.place for section in sections for line in section.lines}
    return Document(plan.digits, plan, [line for line in worked if line.place not in taken], sections, findings)


def _json_document(text: str) -> Document:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it starts like JSON, but is not: {error}; is it complete?") from error
    try:
        digits = record.get("digits")
        sections = [_json_section(step["name"], step["cells"]) for step in record["steps"]]
        weights = [_json_section(weight["name"], weight["cells"]) for weight in record.get("weights", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError('this JSON is not a trace: it needs "steps", each with "name" and "cells"') from error
    usable = digits if isinstance(digits, int) and not isinstance(digits, bool) else None
    return Document(usable, plan_of_json(record), [], [*weights, *sections], [])


def _json_section(name: str, cells: list[dict[str, Any]]) -> Section:
    lines, read = [], []
    for cell in cells:
        index, value, written = tuple(cell["index"]), cell["value"], cell.get("expression")
        if (
            not all(isinstance(place, int) for place in index)
            or not isinstance(value, str)
            or not isinstance(name, str)
        ):
            raise TypeError
        read.append(TableCell(0, name, index, value))
        if written is not None:
            lines.append(WorkedLine(0, name, index or None, (str(written),), value))
    return Section(name, 0, lines, read)
