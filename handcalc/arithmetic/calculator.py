"""The pocket calculator: evaluate a tree exactly from printed numbers, then round once, correctly, half to even."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, Overflow

from gpt_data.errors import UserError
from handcalc.arithmetic.bounds import EXACT, ZERO, Page, bounds
from handcalc.arithmetic.expression import Expression

MOST_DIGITS = 34
"""As many as an IEEE 754 decimal128 number has, and twice what float64 holds."""

LARGEST_EXPONENT = 9999
"""Numbers nearer to 0 than 1e-9999 are written 0; numbers of 1e+10000 and more are refused."""

HALF = Decimal("0.5")
_GUARD_DIGITS = 12
_MOST_PRECISION = 2000


class Calculator:
    """A calculator whose display holds ``digits`` significant digits.

    ``evaluate`` finds the exact value's neighbours in a working precision well above ``digits``. When both round to the
    same display, that display is right whatever lies between; when they do not, the value is close to the boundary
    between two displays, and it is evaluated again with twice the precision (Ziv's strategy).

    An exact tie is a value half-way between two displays. Sums, products, finite quotients and perfect roots are
    evaluated without any error, so their ties are seen as such and go to the even digit. exp, log and tanh of a
    rational number other than where they are 0 or 1 are transcendental and never tie. What is left are quotients and
    roots inside larger formulas: one that 2,000 digits cannot tell from a tie *is* taken for one.

    Raises
    ------
    UserError
        If ``digits`` is not a whole number from 1 to ``most``.
    """

    def __init__(self, digits: int, *, most: int = MOST_DIGITS) -> None:
        if not 1 <= digits <= most:
            raise UserError(f"--digits must be a whole number from 1 to {most}, not {digits}")
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

    def evaluate(self, expression: Expression, page: Page) -> Decimal:
        """Return the expression's value, exact from the numbers on ``page`` and rounded once."""
        precision = self.digits + _GUARD_DIGITS
        while True:
            low, high = bounds(expression, page, precision)
            least = self.round(low)
            if low is high:
                return least
            most = self.round(high)
            if least == most:
                return least
            if precision > _MOST_PRECISION:
                return ZERO if least < 0 < most else self.round(EXACT.multiply(HALF, EXACT.add(least, most)))
            precision *= 2
