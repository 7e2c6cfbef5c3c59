"""The page of a trace: the first screen, every step with its tables and worked lines, and the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from handcalc.formulas.adamw import moved_parameter
from handcalc.formulas.step import AXES, FORWARD, UPDATE, UPDATED, Step, Weights
from handcalc.page.blocks import PAGE, PART, STEP, Block, Formula, Grid, Heading, Note, Paragraph
from handcalc.page.cells import count_chosen, selection_of, worked_blocks
from handcalc.page.closing import answer_blocks, closing_blocks
from handcalc.page.opening import opening_blocks, short_opening
from handcalc.page.phases import part_title, phase_blocks
from handcalc.page.stated_facts import (
    RESULT,
    STAGES,
    step_heading,
    update_heading,
    weights_title,
    write_step_shape,
    write_title,
)
from handcalc.page.tables import stages_table, step_tables, weight_table
from handcalc.tracing.selection import Selection, places_to_show, steps_to_show
from handcalc.tracing.trace import Trace


def page_blocks(trace: Trace, selection: Selection, *, full: bool) -> Iterator[Block]:
    """Yield the page's blocks."""
    chosen = steps_to_show(trace.plan.page_steps, selection, full=full)
    positions = places_to_show("t", trace.plan.sizes, selection)
    yield Heading(write_title(trace.plan.config), PAGE)
    if selection.names_steps:
        yield from short_opening(trace, chosen)
    else:
        if not selection.narrows_steps:
            yield from answer_blocks(trace, positions)
        yield from opening_blocks(trace, selection, chosen, full=full)
    yield from _steps_blocks(trace, chosen, selection, full=full)
    if not selection.narrows_steps:
        yield from closing_blocks(trace, positions)


def _steps_blocks(trace: Trace, chosen: list[Step], selection: Selection, *, full: bool) -> Iterator[Block]:
    numbering = {step.name: number for number, step in enumerate(trace.plan.page_steps, 1)}
    page = _Page(trace, selection, full, numbering, {}, set())
    part, phase = "", FORWARD
    for steps in _sections(trace, chosen, selection):
        if phase != (phase := steps[0].phase):
            yield from phase_blocks(trace.plan, phase)
        if part != (part := part_title(steps[0])):
            yield Heading(part, PART)
        yield from _step_blocks(page, steps[0]) if len(steps) == 1 else _update_blocks(page, steps)


class _Page(NamedTuple):
    """What the sections need to know: ``numbering`` has the number of each step, ``printed`` where tables are.

    ``explained`` are the meanings of the steps of the update that are on the page already: they are the same for every
    parameter.
    """

    trace: Trace
    selection: Selection
    full: bool
    numbering: dict[str, int]
    printed: dict[str | Weights, str]
    explained: set[str]


def _sections(trace: Trace, chosen: Sequence[Step], selection: Selection) -> Iterator[list[Step]]:
    """Yield the steps of each section: one, or all steps of AdamW for one parameter if the same is shown of them."""
    counts = Counter(moved_parameter(step) for step in trace.plan.steps)
    for parameter, group in groupby(chosen, moved_parameter):
        steps = list(group)
        shown = {(tuple(selection.cells_of(step.name)), selection.shows_whole(step.name)) for step in steps}
        if parameter is not None and len(steps) == counts[parameter] and len(shown) == 1:
            yield steps
        else:
            yield from ([step] for step in steps)


def _step_blocks(page: _Page, step: Step) -> Iterator[Block]:
    trace, selection = page.trace, page.selection
    yield Heading(step_heading(page.numbering[step.name], step.name), STEP)
    yield from _meaning(page, step)
    yield _formula(trace, step, page.numbering, count_chosen(trace, step, selection))
    if selection.shows_whole(step.name):
        yield from _table_blocks(trace, step, selection, page.printed)
        page.printed[step.name] = step.name
    yield from worked_blocks(trace, [step], selection, full=page.full)


def _update_blocks(page: _Page, steps: Sequence[Step]) -> Iterator[Block]:
    """Yield the section of all steps of AdamW for a parameter: equations, worked lines, one table of all numbers."""
    trace, selection = page.trace, page.selection
    first, last = (page.numbering[step.name] for step in (steps[0], steps[-1]))
    yield Heading(update_heading(first, last, moved_parameter(steps[0]) or ""), STEP)
    for step in steps[:-1]:
        yield from _meaning(page, step)
        yield Formula(step.equation, step.section, ())
    yield from _meaning(page, steps[-1])
    yield _formula(trace, steps[-1], page.numbering, count_chosen(trace, steps[0], selection))
    whole = selection.shows_whole(steps[0].name)
    for step in steps if whole else ():
        yield from (_weight_block(trace, weights, page.printed, step.name) for weights in step.weights)
        page.printed[step.name] = f"steps {first} to {last}"
    yield from worked_blocks(trace, steps, selection, full=page.full)
    if whole:
        yield Grid(STAGES, stages_table(trace, steps, selection))


def _meaning(page: _Page, step: Step) -> Iterator[Paragraph]:
    if step.meaning not in page.explained:
        yield Paragraph(step.meaning)
    if step.phase == UPDATE:
        page.explained.add(step.meaning)


def _formula(trace: Trace, step: Step, numbering: dict[str, int], chosen: int) -> Formula:
    letters = ", ".join(AXES[letter][0] for letter in step.axes)
    facts = [write_step_shape(letters, trace.plan.sizes.shape(step.axes), chosen)]
    if step.undoes:
        facts.append(f"undoes {', '.join(f'{numbering[name]}. {name}' for name in step.undoes)}")
    return Formula(step.equation, step.section, tuple(facts))


def _table_blocks(trace: Trace, step: Step, selection: Selection, printed: dict[str | Weights, str]) -> Iterator[Block]:
    for weights in step.weights:
        yield _weight_block(trace, weights, printed, step.name)
    for title, table in step_tables(trace, step, selection_of(trace, step, selection)):
        yield Grid(title or (RESULT if step.weights else ""), table)


def _weight_block(trace: Trace, weights: Weights, printed: dict[str | Weights, str], name: str) -> Block:
    """Return the table of the weights that a step uses, or where it is if it was printed before."""
    columns = "" if weights.stop is None else f", columns {weights.start} to {weights.stop - 1}"
    where = printed.get(weights.name) or printed.get(weights)
    if where:
        return Note(f"uses {weights.name}{columns}: printed at {where}")
    printed[weights] = name
    shape = trace.plan.weight_shapes[weights.name.removeprefix(f"{UPDATED}.")]
    return Grid(weights_title(weights.name, shape, columns), weight_table(trace, weights))
