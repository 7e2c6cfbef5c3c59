"""Read a file to verify: its worked lines and, if it is a trace of this program, also its tables."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import defaultdict
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import quote
from handcalc.arithmetic.expression import Index
from handcalc.formulas.adamw import moved_parameter
from handcalc.page.json_format import SCHEMA_VERSION
from handcalc.page.markdown import unescape
from handcalc.page.stated_facts import is_title, read_digits, read_masked, read_update_heading, states_chosen
from handcalc.tracing.plan import Plan
from handcalc.verification.line_check import Finding
from handcalc.verification.line_reader import WorkedLine, step_ranges, worked_lines_of
from handcalc.verification.plan_reader import join_words, plan_of_json, plan_of_text
from handcalc.verification.table_reader import DisorderlyTable, TableCell, cells_of, read_tables

TEXT, MARKDOWN, JSON = "text", "markdown", "json"

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}m")
_LINE_BREAK = re.compile("\r\n|\n|\r")
_LONGEST_INTEGER = 18
_NEVER_ESCAPED = re.compile(r"^\||(?<!\\)`")  # a table's line, whose bars separate columns, and one with code


class Section(NamedTuple):
    """The section of a step: its first and last line, its worked lines and the cells of its tables, in order.

    ``steps`` are the names of its steps, several only in the update. ``chosen`` are the cells that were asked for one
    by one, with the names of their steps, and None if all are shown.
    """

    name: str
    place: int
    end: int
    lines: list[WorkedLine]
    cells: list[TableCell]
    steps: tuple[str, ...]
    chosen: list[tuple[str, Index]] | None = None


class Document(NamedTuple):
    """All of a file that can be checked.

    ``loose`` are the worked lines that belong to no step; ``plan`` is None if the file is not a trace of this program;
    ``findings`` are the problems found while reading. ``written`` are the lines of the file, and ``lines`` the same
    without the escapes of Markdown, both empty for JSON; ``record`` is the object in JSON, otherwise empty; ``length``
    counts the file's characters.
    """

    digits: int | None
    plan: Plan | None
    loose: list[WorkedLine]
    sections: list[Section]
    findings: list[Finding]
    form: str
    written: list[str]
    lines: list[str]
    record: dict[str, Any]
    length: int

    @property
    def worked(self) -> list[WorkedLine]:
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
    written = lines = _LINE_BREAK.split(_ANSI.sub("", text))
    form = MARKDOWN if any(line.startswith("#") for line in lines) else TEXT
    if form == MARKDOWN:
        lines = [line if _NEVER_ESCAPED.search(line) else unescape(line) for line in lines]
    worked = list(worked_lines_of(lines))
    plan = plan_of_text(lines)
    if plan is None:
        digits, findings = read_digits(join_words(lines)), _unstated(lines)
        return Document(digits, None, worked, [], findings, form, written, lines, {}, len(text))
    known = {step.name: step for step in plan.page_steps}
    sections, findings, places = [], [], [line.place for line in worked]
    for name, start, end in step_ranges(lines, known):
        inside = worked[bisect_right(places, start) : bisect_right(places, end)]
        parameter = read_update_heading(lines[start - 1])
        steps = [step for step in known.values() if moved_parameter(step) == parameter] if parameter else [known[name]]
        cells: list[TableCell] = []
        for table in read_tables(lines, start, end):
            try:
                cells += cells_of(table, steps)
            except DisorderlyTable as error:
                findings.append(Finding(error.place, name, str(error)))
        chosen = _chosen_cells(lines[start:end], inside)
        sections.append(Section(name, start, end, inside, cells, tuple(step.name for step in steps), chosen))
    taken = {line.place for section in sections for line in section.lines}
    loose = [line for line in worked if line.place not in taken]
    return Document(plan.digits, plan, loose, sections, findings, form, written, lines, {}, len(text))


def _chosen_cells(lines: list[str], worked: list[WorkedLine]) -> list[tuple[str, Index]] | None:
    """Return the cells of a section that says that they were chosen: those worked out, and those that are masked."""
    if not any(map(states_chosen, lines)):
        return None
    masked = [found for line in lines if (found := read_masked(line))]
    return [*((line.name, line.index or ()) for line in worked), *masked]


def _unstated(lines: list[str]) -> list[Finding]:
    """Return an error if the page has the title of a trace, but does not state which calculation it shows."""
    problem = "is the title of a trace, but its model, digits and tokens are not stated so that they can be read"
    return [Finding(place, "the page", problem) for place, line in enumerate(lines, 1) if is_title(line)][:1]


def _json_document(text: str) -> Document:
    try:
        record = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it starts like JSON, but is not: {error}; is it complete?") from error
    if (version := record.get("schema_version", SCHEMA_VERSION)) != SCHEMA_VERSION:
        raise UserError(f"its schema_version must be {SCHEMA_VERSION}, not {quote(str(version))}")
    try:
        digits = record.get("digits")
        chosen = defaultdict[str, list[tuple[str, Index]]](list)
        for cell in record.get("chosen", []):
            chosen[cell["name"]].append((cell["name"], _index(cell["index"])))
        sections = [_json_section(step["name"], step["cells"]) for step in record["steps"]]
        sections = [section._replace(chosen=chosen.get(section.name)) for section in sections]
        weights = [_json_section(weight["name"], weight["cells"]) for weight in record.get("weights", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError('this JSON is not a trace: it needs "steps", each with "name" and "cells"') from error
    usable = digits if isinstance(digits, int) and not isinstance(digits, bool) else None
    loose, parts = list[WorkedLine](), [*weights, *sections]
    return Document(usable, plan_of_json(record), loose, parts, [], JSON, [], [], record, len(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; of two fields of one name, JSON does not say which counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise UserError(f"an object in it has the field {quote(name)} twice; remove one of them")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise UserError(f"a whole number in it has {len(text):,} digits; the longest allowed has {_LONGEST_INTEGER}")
    return int(text)


def _index(places: list[Any]) -> Index:
    if not all(isinstance(place, int) for place in places):
        raise TypeError
    return tuple(places)


def _json_section(name: str, cells: list[dict[str, Any]]) -> Section:
    lines, read = [], []
    for cell in cells:
        index, value, written = _index(cell["index"]), cell["value"], cell.get("expression")
        if not isinstance(value, str) or not isinstance(name, str):
            raise TypeError
        read.append(TableCell(0, name, index, value))
        if written is not None:
            lines.append(WorkedLine(0, name, index or None, (str(written),), value))
    return Section(name, 0, 0, lines, read, (name,))
