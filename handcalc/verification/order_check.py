"""Check that a section contains the cells of its own step, each once and in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product, zip_longest

from handcalc.arithmetic.expression import Index, Masked
from handcalc.arithmetic.writing import cell_label
from handcalc.formulas.step import Step, indices_of
from handcalc.page.cells import MASKED
from handcalc.verification.document import Section
from handcalc.verification.line_check import Finding
from handcalc.verification.line_reader import WorkedLine


def check_cell_order(section: Section, weight_shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Finding]:
    """Yield an error unless a tensor's cells in JSON have each of its indices once, the last one running fastest."""
    if not section.cells:
        return
    found = [cell.index for cell in section.cells]
    expected: Iterable[Index]
    if section.chosen == found:
        expected = sorted(set(found))
    elif section.name in weight_shapes:
        expected = indices_of(weight_shapes[section.name])
    else:
        expected = product(*(sorted(set(places)) for places in zip(*found, strict=False)))
    for actual, right in zip_longest(found, expected):
        if actual != right:
            problem = "is missing" if actual is None else "appears twice, or out of order"
            yield Finding(0, cell_label(section.name, right if actual is None else actual), problem)
            return


def check_line_order(section: Section, known: Mapping[str, Step]) -> Iterator[Finding]:
    """Yield an error unless a section has one worked line for each cell of its step's tables, in order."""
    own = [line for line in section.lines if line.name]
    strangers = [line for line in own if line.name != section.name]
    for line in strangers:
        yield Finding(line.place, line.label, f"is among the lines of {section.name}")
    step = known.get(section.name)
    if step is None:
        return
    if section.place and section.chosen is not None:
        said = {index for index in section.chosen if index not in [line.index or () for line in own]}
        for index in sorted(_drop_masked(step, said)):
            yield Finding(section.place, cell_label(section.name, index), "is said to be masked, but it is not")
    if not own:
        return
    cells = [cell.index for cell in section.cells if cell.name == section.name and cell.text != MASKED]
    expected = list(_drop_masked(step, cells)) if step.axes else [()]
    found = [line.index or () for line in own]
    if section.chosen is not None:
        expected = found if not expected else expected
        if found != sorted(set(found)) or not {*found} <= {*expected}:
            yield Finding(own[0].place, section.name, "has cells that appear twice, out of order, or in no table")
    elif len(found) == 1:
        if found[0] not in expected:
            line = own[0]
            yield Finding(line.place, line.label, "is worked out, but is in no table of this step")
    elif found != sorted(expected):
        yield from _out_of_order(section, own, sorted(expected))


def _drop_masked(step: Step, cells: Iterable[Index]) -> Iterator[Index]:
    for index in cells:
        try:
            masked = isinstance(step.cell(*index), Masked)
        except (IndexError, TypeError, KeyError):
            masked = False
        if not masked:
            yield index


def _out_of_order(section: Section, lines: list[WorkedLine], expected: list[Index]) -> Iterator[Finding]:
    for line, right in zip(lines, expected, strict=False):
        if (line.index or ()) != right:
            yield Finding(line.place, line.label, f"is worked out where {cell_label(section.name, right)} should be")
            return
    problem = f"{len(lines)} of its cells are worked out, and its tables have {len(expected)}"
    yield Finding(section.place, section.name, problem)
