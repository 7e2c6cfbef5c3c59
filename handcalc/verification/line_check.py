"""Judge one worked line: work its arithmetic out again, and compare what stands there."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import LARGEST_EXPONENT, MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Expression
from handcalc.arithmetic.number_format import format_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.verification.notation import LONGEST_NUMBER, ShownNumber, shown_number
from handcalc.verification.worked_line import WorkedLine

_HALF = Decimal("0.5")
_MOST = LONGEST_NUMBER + MOST_DIGITS
_ROOMY = Context(prec=2 * LARGEST_EXPONENT, rounding=ROUND_HALF_EVEN)


class Finding(NamedTuple):
    """Something that is wrong: where, of which cell, and in words what stands there and what is right."""

    place: int
    label: str
    problem: str


def check_line(line: WorkedLine, digits: int | None) -> Finding | None:
    """Return what is wrong with the line, or None.

    With ``digits`` its value must be the exact one rounded once, half to even, to so many significant digits. Without,
    it must be right to the last digit that it shows: 0.15 is right for 0.1475, and 0.150 is not.
    """
    try:
        value = shown_number(line.value)
        if value is None:
            return Finding(line.place, line.label, f"cannot be read: {line.value!r:.60} is not a number")
        trees = [parse_arithmetic(arithmetic) for arithmetic in line.arithmetics]
    except (UnreadableArithmetic, ValueError) as error:
        return Finding(line.place, line.label, f"cannot be read: {error}")
    for arithmetic, tree in zip(line.arithmetics, trees, strict=True):
        try:
            problem = _compared(tree, value, digits)
        except (ArithmeticError, UserError):
            problem = "has no value that a calculator could show"
        if problem is not None:
            return Finding(line.place, line.label, f"{problem}: {_shortened(arithmetic)}")
    return None


def _compared(tree: Expression, value: ShownNumber, digits: int | None) -> str | None:
    if digits is not None:
        right = Calculator(digits, most=_MOST).evaluate(tree, {})
        if right == value.value:
            return None
        return f"{_shown(value)}, but to {digits} significant digits it comes to {format_number(right)}"
    # Many more digits than it shows: what comes after its last one decides whether that is right.
    right = Calculator(len(value.value.as_tuple().digits) + MOST_DIGITS, most=_MOST).evaluate(tree, {})
    if right == value.value or _as_near_as_shown(right, value):
        return None
    return f"{_shown(value)}, but it comes to {_to_the_same_place(right, value)}"


def _as_near_as_shown(right: Decimal, value: ShownNumber) -> bool:
    """Return whether the value is right to its last digit; both neighbours of a tie are."""
    if not (right.is_finite() and value.value.is_finite()):
        return False
    unit = Decimal((0, (1,), value.place))
    return _ROOMY.abs(_ROOMY.subtract(right, value.value)) <= _ROOMY.multiply(_HALF, unit)


def _to_the_same_place(right: Decimal, value: ShownNumber) -> str:
    """Return the right number with as many digits as somebody showed who got it wrong, and not fewer than three."""
    digits = right.adjusted() - value.place + 1 if right else 3
    return _shortened(format_number(Calculator(min(max(digits, 3), _MOST), most=_MOST).round(right)))


def _shown(value: ShownNumber) -> str:
    return f"shows {_shortened(value.text)}"


def _shortened(arithmetic: str) -> str:
    return arithmetic if len(arithmetic) <= 60 else f"{arithmetic[:40]} … {arithmetic[-15:]}"
