"""Whether the cells of a step stand where they should: its own, each once, none left out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product, zip_longest

from handcalc.arithmetic.expression import Index, Masked
from handcalc.tracing.steps import Step, indices_of
from handcalc.verification.document import Section
from handcalc.verification.line_check import Finding
from handcalc.verification.worked_line import label_of

MASKED = "masked"


def order_of_cells(section: Section, weight_shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Finding]:
    """Yield where the cells that JSON lists of a tensor are not each index of it once, the last running fastest."""
    if not section.shown:
        return
    found = [shown.index for shown in section.shown]
    if section.name in weight_shapes:
        expected = indices_of(weight_shapes[section.name])
    else:
        expected = product(*(sorted(set(places)) for places in zip(*found, strict=False)))
    for stands, right in zip_longest(found, expected):
        if stands != right:
            problem = "is missing" if stands is None else "stands there twice, or out of order"
            yield Finding(0, label_of(section.name, right if stands is None else stands), problem)
            return


def order_of_lines(section: Section, known: Mapping[str, Step]) -> Iterator[Finding]:
    """Yield where the worked lines of a step are not its own, one for each cell of its tables, in order."""
    strangers = [line for line in section.lines if line.name != section.name]
    for line in strangers:
        yield Finding(line.place, line.label, f"stands among the lines of {section.name}")
    step = known.get(section.name)
    if step is None or not section.lines:
        return
    cells = [shown.index for shown in section.shown if shown.name == section.name and shown.text != MASKED]
    expected = list(_unmasked(step, cells)) if step.axes else [()]
    found = [line.index or () for line in section.lines]
    if len(found) == 1:
        if found[0] not in expected:
            line = section.lines[0]
            yield Finding(line.place, line.label, "is worked out, but stands in no table of this step")
    elif found != sorted(expected):
        yield from _out_of_order(section, found, sorted(expected))


def _unmasked(step: Step, cells: Iterable[Index]) -> Iterator[Index]:
    for index in cells:
        try:
            masked = isinstance(step.cell(*index), Masked)
        except (IndexError, TypeError, KeyError):
            masked = False
        if not masked:
            yield index


def _out_of_order(section: Section, found: list[Index], expected: list[Index]) -> Iterator[Finding]:
    for line, index, right in zip(section.lines, found, expected, strict=False):
        if index != right:
            yield Finding(line.place, line.label, f"stands where {label_of(section.name, right)} should be worked out")
            return
    problem = f"{len(found)} of its cells are worked out, and its tables have {len(expected)}"
    yield Finding(section.place, section.name, problem)
