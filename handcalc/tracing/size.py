"""How large a trace will be, known before anything is worked out, so that one too large can be refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import (
    Difference,
    Expression,
    Function,
    Maximum,
    Product,
    Quotient,
    Sum,
)
from handcalc.page.page import steps_to_show
from handcalc.tracing.selection import Selection, shown_places
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_count

MOST_NUMBERS = 2_000_000
"""Numbers that a trace may hold, weights included; each takes some 300 bytes of memory."""

MOST_OPERANDS = 20_000_000
"""Numbers that these may be worked out from, all together; each takes some 3 microseconds, so this is a minute."""

MOST_CHARACTERS = 50_000_000
"""Characters that a page may have; "hello world" with ``--update --full`` has 1.5 million."""


class Size(NamedTuple):
    """How many numbers are worked out, from how many operands, and about how many characters it takes to show them."""

    numbers: int
    operands: int
    characters: int


def size_of(
    steps: tuple[Step, ...], config: GPTConfig, sizes: Sizes, selection: Selection, *, digits: int, full: bool
) -> Size:
    """Return the size of a trace; operands are counted at each step's last cell, which in attention has the most."""
    shown = {step.name for step in steps_to_show(steps, selection, full=full)}
    numbers = operands = 0
    characters = parameter_count(config) * (digits + 4)
    for step in steps:
        shape = sizes.shape(step.axes)
        last = tuple(length - 1 for length in shape)
        each = sum(1 for _ in _leaves(step.cell(*last)))
        numbers += prod(shape)
        operands += prod(shape) * each
        if step.name in shown:
            cells = prod(len(shown_places(letter, sizes, selection)) for letter in step.axes)
            worked = cells if full else 1
            characters += 300 + cells * (digits + 5) + worked * (len(step.name) + 10 + each * (digits + 4))
    return Size(numbers, operands, characters)


def check_size(size: Size, config: GPTConfig) -> None:
    """Refuse a trace that is too large to work out or to print.

    Raises
    ------
    UserError
        If it is; the message says how large it would be and what makes it smaller.
    """
    weights = parameter_count(config)
    if size.numbers + weights > MOST_NUMBERS or size.operands > MOST_OPERANDS:
        raise UserError(
            f"this trace is too large to work out: {size.numbers:,} numbers from {size.operands:,} operands and "
            f"{weights:,} weights (at most {MOST_NUMBERS:,} numbers and {MOST_OPERANDS:,} operands); what is shown "
            "makes no difference to that; take a shorter text or a smaller model, leave out --update or --backward, or "
            "add --force and have patience"
        )
    if size.characters > MOST_CHARACTERS:
        raise UserError(
            f"this page is too large to print: about {size.characters:,} characters for {size.numbers:,} numbers (at "
            f"most {MOST_CHARACTERS:,}); leave out --full, choose with --only, --layer, --head or --position, or add "
            "--force"
        )


def _leaves(node: Expression) -> Iterator[Expression]:
    match node:
        case Sum(terms=parts) | Product(factors=parts) | Maximum(arguments=parts):
            pass
        case Difference(left=first, right=second) | Quotient(numerator=first, denominator=second):
            parts = (first, second)
        case Function(argument=argument):
            parts = (argument,)
        case _:
            yield node
            return
    for part in parts:
        yield from _leaves(part)
