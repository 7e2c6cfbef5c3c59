"""The pocket calculator: evaluate a tree exactly from printed numbers, then round once, correctly, half to even."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, Overflow

from gpt_data.errors import UserError
from handcalc.arithmetic.bounds import EXACT, ZERO, bounds
from handcalc.arithmetic.expression import Expression, Numbers

MOST_DIGITS = 34
"""As many as an IEEE 754 decimal128 number has, and about twice as many as float64."""

LARGEST_EXPONENT = 9999
"""Numbers closer to 0 than 1e-9999 become 0; numbers of 1e+10000 and more are refused."""

HALF = Decimal("0.5")
_GUARD_DIGITS = 12
_MOST_PRECISION = 2000


class Calculator:
    """A calculator whose display has ``digits`` significant digits.

    ``evaluate`` encloses the exact value at a working precision well above ``digits``. If both bounds round to the same
    display, that display is right. If they do not, the value is close to the boundary between two displays, and it is
    evaluated again with twice the precision (Ziv's strategy).

    An exact tie is a value half-way between two displays. Sums, products, finite quotients and perfect roots are
    evaluated without any error, so their ties are recognised and go to the even digit. exp, log and tanh of a rational
    number are transcendental and never tie, except where they are 0 or 1. That leaves quotients and roots inside larger
    formulas: one that agrees with a tie to 2,000 digits is treated as a tie.

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

    def evaluate(self, expression: Expression, numbers: Numbers) -> Decimal:
        """Return the expression's value, exact from the given ``numbers`` and rounded once."""
        precision = self.digits + _GUARD_DIGITS
        while True:
            low, high = bounds(expression, numbers, precision)
            least = self.round(low)
            if low is high:
                return least
            most = self.round(high)
            if least == most:
                return least
            if precision > _MOST_PRECISION:
                return ZERO if least < 0 < most else self.round(EXACT.multiply(HALF, EXACT.add(least, most)))
            precision *= 2
