"""The size of a trace, estimated in advance, so that one that is too large is refused immediately."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Expression
from handcalc.formulas.attribution import is_attribution
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
    sizes, digits = plan.sizes, plan.digits
    numbers = operands = 0
    characters = parameter_count(plan.config) * (digits + 4)
    of_two_words = Selection(selection.only, head=selection.head, position=0, words=(0, 0))
    for step in plan.page_steps:
        part = of_two_words if is_attribution(step) else selection
        cells = prod(len(places_to_show(letter, sizes, part)) for letter in step.axes)
        alone = None if selection.shows_whole(step.name) else len(selection.cells_of(step.name))
        shape = sizes.shape(step.axes)
        worked_out = cells if is_attribution(step) else prod(shape)
        each = _count_operands(step.cell(*(length - 1 for length in shape)))
        numbers += worked_out
        operands += worked_out * each
        if step.name in shown:
            worked = alone or (cells if full else 1)
            characters += 300 + (alone or cells) * (digits + 5) + worked * (len(step.name) + 10 + each * (digits + 4))
    return Size(numbers, operands, characters)


def _count_operands(expression: Expression) -> int:
    return expression.fold(lambda _, counts: sum(counts) or 1)


def check_size(size: Size, config: ModelConfig) -> None:
    """Refuse a trace that is too large to work out or to print.

    Raises
    ------
    UserError
        If it is; the message says how large it would be and how to make it smaller.
    """
    weights = parameter_count(config)
    if size.numbers + weights > MOST_NUMBERS or size.operands > MOST_OPERANDS:
        raise UserError(
            f"this trace is too large to work out: {size.numbers:,} numbers from {size.operands:,} operands and "
            f"{weights:,} weights (at most {MOST_NUMBERS:,} numbers and {MOST_OPERANDS:,} operands); "
            "selecting what is shown does not change that; take a shorter text or a smaller model, leave out --update "
            "or --backward, or add --force and wait"
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
