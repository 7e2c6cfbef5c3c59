"""The size of a trace, estimated in advance, so that one that is too large is refused immediately."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Expression
from handcalc.formulas.attribution import is_attribution
from handcalc.formulas.step import UPDATED, Step, Weights
from handcalc.tracing.plan import Plan
from handcalc.tracing.selection import Selection, places_to_show, steps_to_show
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import parameter_count

MOST_NUMBERS = 2_000_000
"""The most numbers in a trace, weights included; each takes about 300 bytes of memory."""

MOST_OPERANDS = 20_000_000
"""The most operands in all its formulas together; each takes about 3 microseconds, so this is a minute."""

MOST_CHARACTERS = 50_000_000
"""The most characters on a page; "hello world" with ``--update --full`` has 1.5 million."""

MOST_WEB_OPERANDS = 2_000_000
"""The most operands of a web page, which works them out again in the browser; a million takes it about two seconds."""


MOST_WORKBOOK_NUMBERS = 200_000
"""The most numbers of a workbook; 10,000 take about 300 kB, and two seconds to write."""


class Size(NamedTuple):
    """The numbers worked out, the operands in their formulas, and approximately the characters on the page."""

    numbers: int
    operands: int
    characters: int


def size_of(plan: Plan, selection: Selection, *, full: bool) -> Size:
    """Return the size of a trace; operands are counted at each step's last cell, which has the most in attention."""
    shown = {step.name for step in steps_to_show(plan.page_steps, selection, full=full)}
    numbers = operands = 0
    characters = parameter_count(plan.config) * (plan.digits + 4)
    for step in plan.page_steps:
        shape = plan.sizes.shape(step.axes)
        worked_out = _count_shown(step, plan, selection) if is_attribution(step) else prod(shape)
        each = count_operands(_last_cell(step, plan))
        numbers += worked_out
        operands += worked_out * each
        if step.name in shown:
            characters += _count_characters(step, plan, selection, each, full=full)
    return Size(numbers, operands, characters)


def written_size(plan: Plan, shown: Iterable[Step], selection: Selection, *, full: bool) -> int:
    """Return approximately the characters on a page of these steps alone, with the weights that they use."""
    steps = list(shown)
    characters = sum(
        _count_characters(step, plan, selection, count_operands(_last_cell(step, plan)), full=full) for step in steps
    )
    tables = {weights for step in steps if selection.shows_whole(step.name) for weights in step.weights}
    return characters + sum(_count_weights(weights, plan) for weights in tables) * (plan.digits + 4)


def count_operands(expression: Expression) -> int:
    """Return the number of references and constants in a formula."""
    return expression.fold(lambda _, counts: sum(counts) or 1)


def _last_cell(step: Step, plan: Plan) -> Expression:
    return step.cell(*(length - 1 for length in plan.sizes.shape(step.axes)))


def _count_shown(step: Step, plan: Plan, selection: Selection) -> int:
    of_two_words = Selection(selection.only, head=selection.head, position=0, words=(0, 0))
    part = of_two_words if is_attribution(step) else selection
    return prod(len(places_to_show(letter, plan.sizes, part)) for letter in step.axes)


def _count_characters(step: Step, plan: Plan, selection: Selection, operands: int, *, full: bool) -> int:
    alone = None if selection.shows_whole(step.name) else len(selection.cells_of(step.name))
    cells = _count_shown(step, plan, selection)
    worked = alone or (cells if full else 1)
    digits = plan.digits
    return 300 + (alone or cells) * (digits + 5) + worked * (len(step.name) + 10 + operands * (digits + 4))


def _count_weights(weights: Weights, plan: Plan) -> int:
    *rows, columns = plan.weight_shapes[weights.name.removeprefix(f"{UPDATED}.")]
    return prod(rows) * ((columns if weights.stop is None else weights.stop) - weights.start)


def is_too_large(size: Size, config: ModelConfig) -> bool:
    """Return whether a trace is too large to be worked out whole."""
    return size.numbers + parameter_count(config) > MOST_NUMBERS or size.operands > MOST_OPERANDS


def check_size(size: Size, config: ModelConfig) -> None:
    """Refuse a trace that is too large to work out or to print.

    Raises
    ------
    UserError
        If it is; the message says how large it would be and how to make it smaller.
    """
    if is_too_large(size, config):
        raise UserError(
            f"this trace is too large to work out: {size.numbers:,} numbers from {size.operands:,} operands and "
            f"{parameter_count(config):,} weights (at most {MOST_NUMBERS:,} numbers and {MOST_OPERANDS:,} operands); "
            "take a shorter text or a smaller model, leave out --update or --backward, name with --only what you want "
            "to see, or add --force and wait"
        )
    if size.characters > MOST_CHARACTERS:
        raise UserError(
            f"this page is too large to print: about {size.characters:,} characters for {size.numbers:,} numbers (at "
            f"most {MOST_CHARACTERS:,}); leave out --full, select with --only, --layer, --head or --position, or add "
            "--force"
        )


def check_web_size(size: Size) -> None:
    """Refuse a trace that a browser could not work out while its reader waits.

    Raises
    ------
    UserError
        If it is too large.
    """
    if size.operands > MOST_WEB_OPERANDS:
        raise UserError(
            f"this trace is too large for a web page, which works everything out in the browser: {size.operands:,} "
            f"operands (at most {MOST_WEB_OPERANDS:,}); take a shorter text or a smaller model, leave out --update or "
            "--backward, or add --force and wait"
        )


def check_workbook_size(size: Size) -> None:
    """Refuse a trace that a spreadsheet could not show with ease.

    Raises
    ------
    UserError
        If it is too large.
    """
    if size.numbers > MOST_WORKBOOK_NUMBERS:
        raise UserError(
            f"this trace is too large for a workbook: {size.numbers:,} numbers, each with its formula (at most "
            f"{MOST_WORKBOOK_NUMBERS:,}); take a shorter text or a smaller model, leave out --update or --backward, or "
            "add --force and wait"
        )
