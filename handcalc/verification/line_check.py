"""Judge one worked line: work out its arithmetic again and compare the value."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import quote, show_text
from handcalc.arithmetic.bounds import Work
from handcalc.arithmetic.calculator import (
    GUARD_DIGITS,
    LARGEST_EXPONENT,
    MOST_DIGITS,
    MOST_WORK,
    Calculator,
    Undecided,
    enclose,
)
from handcalc.arithmetic.expression import Expression
from handcalc.arithmetic.notation import LONGEST_NUMBER, WrittenNumber, read_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.arithmetic.writing import format_number
from handcalc.verification.line_reader import WorkedLine

WRONG, OTHER_NUMBERS, UNDECIDED = "wrong", "other numbers", "undecided"
"""The verdicts other than right: a wrong value; a true line, but not with the numbers of its page; neither is known."""

_UNITS_EACH, _UNITS_PER_CHARACTER = 200, 30
_UNITS_OF_FILE = 2_000_000

_HALF = Decimal("0.5")
_MOST = LONGEST_NUMBER + MOST_DIGITS
_ROOMY = Context(prec=4 * LARGEST_EXPONENT, rounding=ROUND_HALF_EVEN)


class Finding(NamedTuple):
    """An error: its line, its cell, and a description of what is written there and what would be right."""

    place: int
    label: str
    problem: str
    verdict: str = WRONG


class LineChecker:
    """Judge worked lines one by one, with a limit on the work for each line and for the whole file.

    Each line has an allowance in proportion to its length, which is far more than a line of a trace needs. Lines that
    need more, because their numbers cancel, share _UNITS_OF_FILE, about two seconds; what that does not decide remains
    undecided.
    """

    def __init__(self) -> None:
        self._shared = _UNITS_OF_FILE

    def check(self, line: WorkedLine, digits: int | None) -> Finding | None:
        """Return what ``check_line`` returns."""
        own = _UNITS_EACH + _UNITS_PER_CHARACTER * (len(line.value) + sum(map(len, line.arithmetics)))
        work = Work(own + min(self._shared, MOST_WORK))
        extra = work.left - own
        found = check_line(line, digits, work)
        self._shared -= max(0, extra - work.left)
        return found


def check_line(line: WorkedLine, digits: int | None, work: Work | None = None) -> Finding | None:
    """Return what is wrong with the line, or None.

    With ``digits`` its value must be the exact one rounded once, half to even, to so many significant digits. Without
    them, it must be right to the last digit that it shows: 0.15 is right for 0.1475, and 0.150 is not. A line that
    takes more than ``work`` is undecided.
    """
    work = Work(MOST_WORK) if work is None else work
    try:
        value = read_number(line.value)
        if value is None:
            return Finding(line.place, line.label, f"cannot be read: {quote(line.value)} is not a number")
        trees = [parse_arithmetic(arithmetic) for arithmetic in line.arithmetics]
    except (UnreadableArithmetic, ValueError) as error:
        return Finding(line.place, line.label, f"cannot be read: {error}")
    for arithmetic, tree in zip(line.arithmetics, trees, strict=True):
        try:
            problem = _compare(tree, value, digits, work)
        except Undecided:
            problem = f"{_show(value)}, which is not decided: too much work: "
            return Finding(line.place, line.label, problem + _shorten(arithmetic), UNDECIDED)
        except (ArithmeticError, UserError):
            problem = "has no value that a calculator can show"
        if problem is not None:
            return Finding(line.place, line.label, f"{problem}: {_shorten(arithmetic)}")
    return None


def _compare(tree: Expression, value: WrittenNumber, digits: int | None, work: Work) -> str | None:
    if digits is None:
        right = _value_if_wrong(tree, value, work)
        return right and f"{_show(value)}, but it is {right}"
    try:
        right_display = Calculator(digits, most=_MOST).decide(tree, {}, work)
    except Undecided as undecided:
        if undecided.between is None or undecided.between[0] <= value.value <= undecided.between[1]:
            raise
        right_display = undecided.between[0]
    if right_display == value.value:
        return None
    return f"{_show(value)}, but to {digits} significant digits it is {format_number(right_display)}"


def _value_if_wrong(tree: Expression, value: WrittenNumber, work: Work) -> str | None:
    """Return the right value unless the one shown is right to its last digit; at a tie both neighbours are.

    Raises
    ------
    Undecided
        If the exact value is too close to a tie to tell.
    """
    half = _ROOMY.multiply(_HALF, Decimal((0, (1,), value.place)))
    least, most = (operation(value.value, half) for operation in (_ROOMY.subtract, _ROOMY.add))
    for low, high in enclose(tree, {}, len(value.value.as_tuple().digits) + GUARD_DIGITS, work):
        if least <= low and high <= most:
            return None
        if high < least or most < low:
            return _round_alike(low, value)
    raise Undecided


def _round_alike(right: Decimal, value: WrittenNumber) -> str:
    """Return the right number with as many digits as the wrong one has, and at least three."""
    digits = right.adjusted() - value.place + 1 if right else 3
    return _shorten(format_number(Calculator(min(max(digits, 3), _MOST), most=_MOST).round(right)))


def _show(value: WrittenNumber) -> str:
    return f"shows {_shorten(value.text)}"


def _shorten(arithmetic: str) -> str:
    return show_text(arithmetic if len(arithmetic) <= 60 else f"{arithmetic[:40]} … {arithmetic[-15:]}")
