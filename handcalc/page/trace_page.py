"""The page of a trace: the first screen, every step with its tables and worked lines, and the results."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.formulas.step import AXES, FORWARD, UPDATED, Step, Weights
from handcalc.page.blocks import PAGE, PART, STEP, Block, Formula, Grid, Heading, Note, Paragraph
from handcalc.page.cells import count_chosen, selection_of, worked_blocks
from handcalc.page.closing import answer_blocks, closing_blocks
from handcalc.page.opening import opening_blocks, short_opening
from handcalc.page.phases import part_title, phase_blocks
from handcalc.page.stated_facts import RESULT, TITLE, step_heading, weights_title, write_step_shape
from handcalc.page.tables import step_tables, weight_table
from handcalc.tracing.selection import Selection, places_to_show, steps_to_show
from handcalc.tracing.trace import Trace


def page_blocks(trace: Trace, selection: Selection, *, full: bool) -> Iterator[Block]:
    """Yield the page's blocks."""
    chosen = steps_to_show(trace.plan.page_steps, selection, full=full)
    positions = places_to_show("t", trace.plan.sizes, selection)
    yield Heading(TITLE, PAGE)
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
    printed: dict[str | Weights, str] = {}
    part, phase = "", FORWARD
    for step in chosen:
        if phase != (phase := step.phase):
            yield from phase_blocks(trace.plan, phase)
        if part != (part := part_title(step)):
            yield Heading(part, PART)
        yield Heading(step_heading(numbering[step.name], step.name), STEP)
        yield Paragraph(step.meaning)
        yield _formula(trace, step, numbering, count_chosen(trace, step, selection))
        if selection.shows_whole(step.name):
            yield from _table_blocks(trace, step, selection, printed)
            printed[step.name] = step.name
        yield from worked_blocks(trace, step, selection, full=full)


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
