"""Write a page again from the trace that it shows, and compare all that it states: every word, label and number.

Lines are compared without their indentation and the width of their columns; in a text, a paragraph is one line.
What cannot be known from the page, such as float64's numbers for a model that only the writer has, is counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from gpt_data.wording import count_of, quote
from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.writing import cell_label, format_number
from handcalc.page.json_format import trace_record
from handcalc.page.layout import CONTINUED
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.plan import Plan
from handcalc.verification.alignment import align
from handcalc.verification.document import JSON, MARKDOWN, TEXT, Document
from handcalc.verification.line_check import Finding
from handcalc.verification.line_reader import worked_lines_of
from handcalc.verification.rebuild import Rebuilt, rebuild

_WORDS_SHOWN = 4
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:e[-+][0-9]{2,3})?")


class Kind(NamedTuple):
    """A kind of thing that is not checked, or not completely: its noun, the plural, and what about it."""

    noun: str
    plural: str
    why: str


_FLOAT64_NOUNS = "number of float64", "numbers of float64"
WEIGHTS = Kind("weight", "weights", "only through the numbers that are worked out with it")
WORDS = Kind("word of the vocabulary", "words of the vocabulary", "only whether it is the same all over the page")
MODEL_NAME = Kind("name of the model", "names of the model", "the page does not tell whether it is right")
FLOAT64 = Kind(*_FLOAT64_NOUNS, "only whether it fits the numbers next to it, because the page rounds the weights")
NINE_DIGITS = Kind(*_FLOAT64_NOUNS, "only the first nine digits, because machines differ in the last ones")
FOREIGN_LINES = Kind("line of text", "lines of text", "not part of the page that this program writes")


Numbers = Mapping[str, Mapping[Index, Decimal]]


class Unit(NamedTuple):
    """A line, or a paragraph: its words, and the number of the line of each."""

    words: tuple[str, ...]
    places: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words as one line."""
        return " ".join(self.words)


class Rewriting(NamedTuple):
    """What differs from the page that was written again, and how many of which things were not compared."""

    findings: list[Finding]
    unchecked: Counter[Kind]


def compare_page(document: Document, plan: Plan, numbers: Numbers, findings: Sequence[Finding]) -> Rewriting:
    """Return what differs from the page of the numbers; lines with ``findings`` are not reported again."""
    rebuilt = rebuild(document, plan, numbers)
    result = Rewriting([], Counter())
    if rebuilt is None:
        claim = (
            f"a calculation is claimed whose page would be far longer than this file of {document.length:,} characters"
        )
        result.findings.append(Finding(0, "", claim))
        return result
    _compare_weights(document, rebuilt, findings, result)
    if document.form == JSON:
        records = [trace_record(trace, rebuilt.selection, full=rebuilt.full) for trace in rebuilt.traces]
        judged = {finding.label for finding in findings}
        for path, problem in _differences("", records, document.record, result.unchecked, rebuilt):
            if not any(path.startswith(f"{label}.") for label in judged):
                result.findings.append(Finding(0, path, problem))
    else:
        _compare_lines(document, rebuilt, {finding.place for finding in findings}, result)
    return result


def _compare_weights(document: Document, rebuilt: Rebuilt, findings: Sequence[Finding], result: Rewriting) -> None:
    """Compare the weights with the model that ships, or count those, and the words, that only their model has."""
    cells = [  # an index that the weight does not have is a finding of its own
        cell
        for section in document.sections
        for cell in section.cells
        if cell.index in rebuilt.weights.get(cell.name, {})
    ]
    judged = {(finding.place, finding.label) for finding in findings}
    if not rebuilt.reference:
        result.unchecked[WEIGHTS] += len({(cell.name, cell.index) for cell in cells})
        result.unchecked[WORDS] += rebuilt.words
        result.unchecked[MODEL_NAME] += 1
    for cell in cells if rebuilt.reference else ():
        value, label = rebuilt.weights[cell.name].get(cell.index), cell_label(cell.name, cell.index)
        if value is None:  # a damaged table may have more or fewer axes than the weight
            result.findings.append(Finding(cell.place, label, "does not exist in the model that ships"))
            continue
        right = format_number(value)
        if cell.text != right and (cell.place, label) not in judged:
            problem = f"shows {quote(cell.text)}, but in the model that ships it is {right}"
            result.findings.append(Finding(cell.place, label, problem))


# Text and Markdown


def _compare_lines(document: Document, rebuilt: Rebuilt, judged: set[int], result: Rewriting) -> None:
    writer = markdown_lines if document.form == MARKDOWN else text_lines
    pages = [
        _units(list(writer(trace, rebuilt.selection, full=rebuilt.full)), document.form, rebuilt.complete)
        for trace in rebuilt.traces
    ]
    versions = list(zip(*(page for page in pages if len(page) == len(pages[0])), strict=True))
    found = _units(document.written, document.form, rebuilt.complete)
    worked = {line.place for line in document.worked}

    def alike(one: int, other: int) -> bool:
        return _first_difference([unit.words for unit in versions[one]], found[other].words) is None

    last = 1
    for one, other in align([unit.text for unit in pages[0]], [unit.text for unit in found], alike):
        last = last if other is None else found[other].places[0]
        if one is None and other is not None:
            if not worked.intersection(found[other].places):
                result.unchecked[FOREIGN_LINES] += 1
        elif one is not None and other is None:
            result.findings.append(Finding(last, "", f"below this line is missing: {quote(pages[0][one].text)}"))
        elif one is not None and other is not None and not judged.intersection(found[other].places):
            _compare_units([unit.words for unit in versions[one]], found[other], result, rebuilt)
    if not rebuilt.complete:
        _compare_labels(document, judged, result)


def _compare_labels(document: Document, judged: set[int], result: Rewriting) -> None:
    """Compare the labels of worked lines, which otherwise are judged by their formulas."""
    for line in document.worked:
        written = document.lines[line.place - 1].split("=")[0].strip().strip("`")
        if written != line.label and line.place not in judged:
            result.findings.append(Finding(line.place, line.label, f"is written {quote(written)}"))


def _units(lines: Sequence[str], form: str, complete: bool) -> list[Unit]:
    """Return the lines that are not blank; in a text, those of a paragraph or of a worked line together.

    Without ``complete`` numbers worked lines are left out, because their operands are not known.
    """
    left_out = set() if complete else _places_of_worked(lines)
    units: list[Unit] = []
    indent, joins = 0, False
    for place, line in enumerate(lines, 1):
        words, before = tuple(line.split()), indent
        indent = len(line) - len(line.lstrip(" "))
        if place in left_out or not words:
            joins = False
        elif form == TEXT and joins and (indent >= len(CONTINUED) or indent == before == 0):
            units[-1] = Unit(units[-1].words + words, units[-1].places + (place,) * len(words))
            indent = before
        else:
            units.append(Unit(words, (place,) * len(words)))
            joins = True
    return units


def _places_of_worked(lines: Sequence[str]) -> set[int]:
    places = set[int]()
    for line in worked_lines_of(list(lines)):
        place = line.place
        while place == line.place or (place <= len(lines) and lines[place - 1].startswith(CONTINUED)):
            places.add(place)
            place += 1
    return places


def _compare_units(versions: list[tuple[str, ...]], unit: Unit, result: Rewriting, rebuilt: Rebuilt) -> None:
    at = _first_difference(versions, unit.words)
    if at is not None:
        has, right = (quote(" ".join(words[at : at + _WORDS_SHOWN])) for words in (unit.words, versions[0]))
        place = unit.places[min(at, len(unit.places) - 1)]
        result.findings.append(Finding(place, "", f"has {has}, but by the numbers of this page it should be {right}"))
        return
    result.unchecked[NINE_DIGITS if rebuilt.reference else FLOAT64] += sum(
        len(set(words)) > 1 for words in zip(*versions, strict=False)
    )


def _first_difference(versions: list[tuple[str, ...]], words: tuple[str, ...]) -> int | None:
    """Return the place of the first word that is in none of the versions, and not between their numbers."""
    if words in versions:
        return None
    alike = [version for version in versions if len(version) == len(versions[0])]
    for place, word in enumerate(words):
        if place >= len(versions[0]):
            return place
        choices = {version[place] for version in alike}
        if word not in choices and not (len(choices) > 1 and _is_between(word, choices)):
            return place
    return None if len(words) == len(versions[0]) else len(words)


def _is_between(word: str, choices: set[str]) -> bool:
    numbers = [_number(choice) for choice in (word, *choices)]
    if any(number is None for number in numbers) or len({_NUMBER.sub("", choice) for choice in (word, *choices)}) > 1:
        return False
    first, *others = [number for number in numbers if number is not None]
    return min(others) <= first <= max(others)


def _number(word: str) -> Decimal | None:
    match = _NUMBER.search(word)
    return None if match is None else Decimal(match[0])


# JSON


def _differences(
    path: str, versions: list[Any], found: Any, unchecked: Counter[Kind], rebuilt: Rebuilt
) -> Iterator[tuple[str, str]]:
    """Yield the path and the description of each difference; ``versions`` have the same form."""
    right = versions[0]
    if isinstance(right, dict) and isinstance(found, dict):
        for key in right:
            if key not in found:
                yield f"{path}.{key}", "is missing"
            else:
                inside = [version[key] for version in versions]
                yield from _differences(f"{path}.{key}", inside, found[key], unchecked, rebuilt)
        for key in found:
            if key not in right:
                yield f"{path}.{quote(key)}", "is not a field of a trace"
    elif isinstance(right, list) and isinstance(found, list) and len(right) == len(found):
        for place, one in enumerate(found):
            inside = [version[place] for version in versions]
            yield from _differences(_item_path(path, place, right[place]), inside, one, unchecked, rebuilt)
    elif type(right) is not type(found) or (isinstance(right, float) and not min(versions) <= found <= max(versions)):
        yield path, f"is {_show(found)}, but by the numbers of this page it should be {_show(right)}"
    elif isinstance(right, float) and min(versions) < max(versions):
        unchecked[NINE_DIGITS if rebuilt.reference else FLOAT64] += 1
    elif not isinstance(right, float) and right != found:
        yield path, f"is {_show(found)}, but by the numbers of this page it should be {_show(right)}"


def _item_path(path: str, place: int, item: Any) -> str:
    """Return the path of an item of a list: a tensor by its name, a cell as it is written on a page."""
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return str(item["name"])
    if isinstance(item, dict) and isinstance(item.get("index"), list):
        return cell_label(path.removesuffix(".cells"), tuple(item["index"]))
    return f"{path}[{place}]"


def _show(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {count_of(len(value), 'item')}"
    return quote(value) if isinstance(value, str) else quote(json.dumps(value))
