"""The page of a trace: the first screen, every step with its tables and worked lines, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handcalc.page.blocks import PAGE, PART, STEP, Block, Formula, Grid, Heading, Note, Paragraph
from handcalc.page.closing import float64_blocks, next_word_blocks
from handcalc.page.opening import opening_blocks, phase_blocks
from handcalc.page.part_titles import part_title
from handcalc.page.tables import step_tables, weight_table
from handcalc.tracing.selection import Selection, select_steps, shown_indices, shown_places
from handcalc.tracing.steps import AGAIN, AXES, FORWARD, UPDATED, Step, Weights
from handcalc.tracing.worked import worked_block, worked_index
from handcalc.tracing.working import Trace


def page_blocks(trace: Trace, selection: Selection, *, full: bool) -> Iterator[Block]:
    """Yield the page's blocks."""
    chosen = steps_to_show(trace.steps, selection, full=full)
    yield Heading("The arithmetic of a GPT, by pocket calculator", PAGE)
    yield from opening_blocks(trace, selection, chosen, full=full)
    yield from _steps_blocks(trace, chosen, selection, full=full)
    if not selection.narrows_steps:
        yield from _result_blocks(trace, selection)


def steps_to_show(steps: Sequence[Step], selection: Selection, *, full: bool) -> list[Step]:
    """Return the steps to show; those of the second forward pass only if all is worked out or they were asked for."""
    chosen = select_steps(steps, selection)
    return chosen if full or selection.narrows_steps else [step for step in chosen if step.phase != AGAIN]


def _steps_blocks(trace: Trace, chosen: list[Step], selection: Selection, *, full: bool) -> Iterator[Block]:
    numbers = {step.name: number for number, step in enumerate(trace.steps, 1)}
    printed: dict[str | Weights, str] = {}
    part, phase = "", FORWARD
    for step in chosen:
        if phase != (phase := step.phase):
            yield from phase_blocks(trace, phase)
        if step.name == "losses" and not selection.narrows_steps:
            yield from _next_word_blocks(trace, selection)
        if part != (part := part_title(step)):
            yield Heading(part, PART)
        yield Heading(f"{numbers[step.name]}. {step.name}", STEP)
        yield Paragraph(step.meaning)
        yield _formula(trace, step, numbers)
        yield from _number_blocks(trace, step, selection, printed)
        indices = shown_indices(step, trace.sizes, selection) if full else [worked_index(trace, step, selection)]
        for index in indices:
            yield from worked_block(trace, step, index)
        printed[step.name] = step.name


def _result_blocks(trace: Trace, selection: Selection) -> Iterator[Block]:
    positions = shown_places("t", trace.sizes, selection)
    if not trace.targets:
        yield from _next_word_blocks(trace, selection)
        yield from (Heading("How far from float64", PART), *float64_blocks(trace, positions))
        return
    from handcalc.page.closing_training import after_update_blocks, training_float64_blocks  # start-up time counts

    if trace.optimizer is not None:
        yield from (Heading("Before and after the update", PART), *after_update_blocks(trace, positions))
    yield from (Heading("How far from float64", PART), *float64_blocks(trace, positions))
    yield from training_float64_blocks(trace)


def _next_word_blocks(trace: Trace, selection: Selection) -> Iterator[Block]:
    yield Heading("The next word", PART)
    yield from next_word_blocks(trace, shown_places("t", trace.sizes, selection))


def _formula(trace: Trace, step: Step, numbers: dict[str, int]) -> Formula:
    letters = ", ".join(AXES[letter][0] for letter in step.axes)
    shape = ", ".join(map(str, trace.sizes.shape(step.axes)))
    facts = [f"shape ({letters}) = ({shape})" if step.axes else "a single number"]
    if step.undoes:
        facts.append(f"undoes {', '.join(f'{numbers[name]}. {name}' for name in step.undoes)}")
    return Formula(step.equation, step.section, tuple(facts))


def _number_blocks(
    trace: Trace, step: Step, selection: Selection, printed: dict[str | Weights, str]
) -> Iterator[Block]:
    for weights in step.weights:
        yield _weight_block(trace, weights, printed, step.name)
    for title, table in step_tables(trace, step, selection):
        yield Grid(title or ("result" if step.weights else ""), table)


def _weight_block(trace: Trace, weights: Weights, printed: dict[str | Weights, str], name: str) -> Block:
    """Return the table of the weights that a step uses, or where it stands if it was printed before."""
    columns = "" if weights.stop is None else f", columns {weights.start} to {weights.stop - 1}"
    where = printed.get(weights.name) or printed.get(weights)
    if where:
        return Note(f"uses {weights.name}{columns}: printed at {where}")
    printed[weights] = name
    shape = " × ".join(map(str, trace.weight_shapes[weights.name.removeprefix(f"{UPDATED}.")]))
    return Grid(f"uses {weights.name} ({shape}){columns}", weight_table(trace, weights))
