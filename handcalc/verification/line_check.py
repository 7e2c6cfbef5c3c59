"""Judge one worked line: work out its arithmetic again and compare the value."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import LARGEST_EXPONENT, MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Expression
from handcalc.arithmetic.notation import LONGEST_NUMBER, WrittenNumber, read_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.arithmetic.writing import format_number
from handcalc.verification.line_reader import WorkedLine

_HALF = Decimal("0.5")
_MOST = LONGEST_NUMBER + MOST_DIGITS
_ROOMY = Context(prec=2 * LARGEST_EXPONENT, rounding=ROUND_HALF_EVEN)


class Finding(NamedTuple):
    """An error: its line, its cell, and a description of what is written there and what would be right."""

    place: int
    label: str
    problem: str


def check_line(line: WorkedLine, digits: int | None) -> Finding | None:
    """Return what is wrong with the line, or None.

    With ``digits`` its value must be the exact one rounded once, half to even, to so many significant digits. Without
    them, it must be right to the last digit that it shows: 0.15 is right for 0.1475, and 0.150 is not.
    """
    try:
        value = read_number(line.value)
        if value is None:
            return Finding(line.place, line.label, f"cannot be read: {line.value!r:.60} is not a number")
        trees = [parse_arithmetic(arithmetic) for arithmetic in line.arithmetics]
    except (UnreadableArithmetic, ValueError) as error:
        return Finding(line.place, line.label, f"cannot be read: {error}")
    for arithmetic, tree in zip(line.arithmetics, trees, strict=True):
        try:
            problem = _compare(tree, value, digits)
        except (ArithmeticError, UserError):
            problem = "has no value that a calculator can show"
        if problem is not None:
            return Finding(line.place, line.label, f"{problem}: {_shorten(arithmetic)}")
    return None


def _compare(tree: Expression, value: WrittenNumber, digits: int | None) -> str | None:
    if digits is not None:
        right = Calculator(digits, most=_MOST).evaluate(tree, {})
        if right == value.value:
            return None
        return f"{_show(value)}, but to {digits} significant digits it is {format_number(right)}"
    # Many more digits than it shows, because the digits after its last one decide whether that one is right.
    right = Calculator(len(value.value.as_tuple().digits) + MOST_DIGITS, most=_MOST).evaluate(tree, {})
    if right == value.value or _is_right_as_shown(right, value):
        return None
    return f"{_show(value)}, but it is {_round_alike(right, value)}"


def _is_right_as_shown(right: Decimal, value: WrittenNumber) -> bool:
    """Return whether the value is right to its last digit; at a tie both neighbours are."""
    if not (right.is_finite() and value.value.is_finite()):
        return False
    unit = Decimal((0, (1,), value.place))
    return _ROOMY.abs(_ROOMY.subtract(right, value.value)) <= _ROOMY.multiply(_HALF, unit)


def _round_alike(right: Decimal, value: WrittenNumber) -> str:
    """Return the right number with as many digits as the wrong one has, and at least three."""
    digits = right.adjusted() - value.place + 1 if right else 3
    return _shorten(format_number(Calculator(min(max(digits, 3), _MOST), most=_MOST).round(right)))


def _show(value: WrittenNumber) -> str:
    return f"shows {_shorten(value.text)}"


def _shorten(arithmetic: str) -> str:
    return arithmetic if len(arithmetic) <= 60 else f"{arithmetic[:40]} … {arithmetic[-15:]}"
