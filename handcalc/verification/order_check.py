"""Check that a section contains the cells of its own step, each once and in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    if section.chosen == [(section.name, index) for index in found]:
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
    """Yield an error unless a section has the worked lines that it should have, in order.

    They are one for each cell of the tables of its steps, or those of one cell, or those of the chosen cells.
    """
    own = [line for line in section.lines if line.name]
    for line in own:
        if line.name not in section.steps:
            yield Finding(line.place, line.label, f"is among the lines of {section.name}")
    if section.name not in known:
        return
    order = {name: place for place, name in enumerate(section.steps)}
    found = [(line.index or (), order.get(line.name, -1)) for line in own]
    if section.place and section.chosen is not None:
        said = [(index, name) for name, index in section.chosen if (index, order.get(name, -1)) not in found]
        for index, name in _drop_masked(known, said):
            yield Finding(section.place, cell_label(name, index), "is said to be masked, but it is not")
    if not own:
        return
    cells = [(cell.index, cell.name) for cell in section.cells if cell.name in order and cell.text != MASKED]
    expected = [(index, order[name]) for index, name in _drop_masked(known, cells)]
    expected = sorted(expected) if known[section.name].axes else [((), 0)]
    if section.chosen is not None:
        if found != sorted(set(found)) or not {*found} <= {*(expected or found)}:
            yield Finding(own[0].place, section.name, "has cells that appear twice, out of order, or in no table")
    elif found == [(found[0][0], place) for place in range(len(order))]:
        if found[0] not in expected:
            yield Finding(own[0].place, own[0].label, "is worked out, but is in no table of this step")
    elif found != expected:
        yield from _out_of_order(section, own, expected)


def _drop_masked(known: Mapping[str, Step], cells: Iterable[tuple[Index, str]]) -> Iterator[tuple[Index, str]]:
    for index, name in cells:
        try:
            masked = isinstance(known[name].cell(*index), Masked)
        except (IndexError, TypeError, KeyError):
            masked = False
        if not masked:
            yield index, name


def _out_of_order(
    section: Section, lines: list[WorkedLine], expected: Sequence[tuple[Index, int]]
) -> Iterator[Finding]:
    for line, (index, place) in zip(lines, expected, strict=False):
        if (line.index or (), line.name) != (index, section.steps[place]):
            right = cell_label(section.steps[place], index)
            yield Finding(line.place, line.label, f"is worked out where {right} should be")
            return
    problem = f"{len(lines)} of its cells are worked out, and its tables have {len(expected)}"
    yield Finding(section.place, section.name, problem)
