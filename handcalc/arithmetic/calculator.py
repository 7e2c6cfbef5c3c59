"""The pocket calculator: evaluate a tree exactly from printed numbers, then round once, correctly, half to even."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    InvalidOperation,
    Overflow,
)

from gpt_data.errors import UserError
from gpt_data.wording import describe
from handcalc.arithmetic.bounds import EXACT, ZERO, Bounds, TooWide, Work, WorkExhausted, bounds
from handcalc.arithmetic.expression import Expression, Numbers
from handcalc.arithmetic.ratio import exact_ratio

MOST_DIGITS = 34
"""As many as an IEEE 754 decimal128 number has, and about twice as many as float64."""

LARGEST_EXPONENT = 9999
"""Numbers closer to 0 than 1e-9999 become 0; numbers of 1e+10000 and more are refused."""

HALF = Decimal("0.5")
GUARD_DIGITS = 12
MOST_PRECISION = 40_000
"""The largest working precision: enough for 1e+9999 - 1e-9999, twice."""

MOST_WORK = 500_000
"""The most units of work for one number after its first evaluation; about half a second."""


class Undecided(ArithmeticError):
    """The work that is allowed does not tell what is right; ``between`` are bounds of it, if there are any."""

    def __init__(self, between: Bounds | None = None) -> None:
        super().__init__("the work that is allowed does not tell what is right")
        self.between = between


class Calculator:
    """A calculator whose display has ``digits`` significant digits.

    ``evaluate`` encloses the exact value at a working precision well above ``digits``. If both bounds round to the same
    display, that display is right. If they do not, the value is close to the boundary between two displays, and it is
    evaluated again with twice the precision (Ziv's strategy), up to MOST_PRECISION digits and MOST_WORK.

    An exact tie is a value half-way between two displays. Sums, products, quotients and perfect roots are evaluated
    without any error, so their ties are recognised and go to the even digit. exp, log and tanh of a rational number are
    transcendental and never tie, except where they are 0 or 1. That leaves formulas such as sqrt(2)*sqrt(2)/2*0.12345,
    whose ties no precision shows: ``evaluate`` takes them for ties, and ``decide`` says that it is undecided.

    Raises
    ------
    UserError
        If ``digits`` is not a whole number from 1 to ``most``.
    """

    def __init__(self, digits: int, *, most: int = MOST_DIGITS) -> None:
        if not 1 <= digits <= most:
            raise UserError(f"--digits must be a whole number from 1 to {most}, not {describe(digits)}")
        self.digits = digits
        self._display = Context(
            prec=digits,
            rounding=ROUND_HALF_EVEN,
            Emin=-LARGEST_EXPONENT,
            Emax=LARGEST_EXPONENT,
            traps=[InvalidOperation, Overflow],
        )

    def round(self, value: Decimal) -> Decimal:
        """Return ``value`` as displayed: ``digits`` significant digits, half to even, no trailing zeros, no -0.

        Raises
        ------
        UserError
            If ``value`` is too large for the display.
        """
        if value.is_infinite():
            return value
        try:
            rounded = self._display.normalize(value)
        except Overflow as error:
            raise UserError(
                f"a number of the trace reaches 1e+{LARGEST_EXPONENT + 1}, too large for the calculator; "
                "trace a model with smaller weights"
            ) from error
        return rounded if rounded and rounded.adjusted() >= -LARGEST_EXPONENT else ZERO

    def evaluate(self, expression: Expression, numbers: Numbers) -> Decimal:
        """Return the expression's value, exact from the given ``numbers`` and rounded once."""
        least, most = self._displays(expression, numbers, None)
        if least == most:
            return least
        return ZERO if least < 0 < most else self.round(EXACT.multiply(HALF, EXACT.add(least, most)))

    def decide(self, expression: Expression, numbers: Numbers, work: Work) -> Decimal:
        """Return the same, with at most so much ``work``.

        Raises
        ------
        Undecided
            If the value is so close to the boundary of two displays that this work does not tell which is right.
        """
        least, most = self._displays(expression, numbers, work)
        if least != most:
            raise Undecided((least, most))
        return least

    def _displays(self, expression: Expression, numbers: Numbers, work: Work | None) -> Bounds:
        """Return the displays of the narrowest bounds; only if they are equal, it is the right one."""
        least = most = None
        for low, high in enclose(expression, numbers, self.digits + GUARD_DIGITS, work):
            least = self.round(low)
            most = least if low is high else self.round(high)
            if least == most:
                break
        if least is None or most is None:
            raise Undecided
        return least, most


def enclose(expression: Expression, numbers: Numbers, precision: int, work: Work | None = None) -> Iterator[Bounds]:
    """Yield narrower and narrower bounds of the exact value, as long as there is ``work`` left; maybe none at all.

    If the value is a quotient of decimal numbers, the second bounds are exact, or so narrow that no number of up to
    ``precision`` digits is between them.
    """
    with suppress(TooWide):
        try:
            yield bounds(expression, numbers, precision, work)
        except WorkExhausted:
            return
    work = Work(MOST_WORK) if work is None else work
    with suppress(WorkExhausted):
        if (ratio := exact_ratio(expression, numbers, work)) is not None:
            yield _divide(*ratio, precision)
            return
        while (precision := 2 * precision) <= MOST_PRECISION:
            with suppress(TooWide):
                yield bounds(expression, numbers, precision, work)


def _divide(above: Decimal, below: Decimal, precision: int) -> Bounds:
    """Return the quotient a/b, or bounds between which is no number of up to ``precision`` digits.

    Such a number n differs from a/b by (a - n·b)/b, whose numerator is a whole multiple of the last place of a or n·b.
    """
    figures = sum(len(number.as_tuple().digits) for number in (above, below))
    low, high = (
        Context(prec=precision + figures + 2, rounding=rounding, Emax=MAX_EMAX, Emin=MIN_EMIN).divide(above, below)
        for rounding in (ROUND_FLOOR, ROUND_CEILING)
    )
    return (low, low) if low == high else (low, high)
