"""Evaluate a tree to two decimal numbers that enclose its exact value.

+ - * and max of exact numbers are exact, so their bounds coincide. Everything else is enclosed to a working precision:
the lower bound is rounded down, the upper bound up. If the bounds are narrow enough, both round to the same printed
number, which is how ``calculator`` knows that the number is right.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_CEILING,
    ROUND_FLOOR,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from functools import cache
from typing import Any

from handcalc.arithmetic.erf_bounds import erf_bounds
from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Numbers,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)

Bounds = tuple[Decimal, Decimal]

ZERO, ONE, TWO, THREE = Decimal(0), Decimal(1), Decimal(2), Decimal(3)
MOST_EXACT_DIGITS = 50_000
"""Far more than any sum or product in a trace needs; longer ones, such as 1 + exp(1e9), are enclosed instead."""

EXACT = Context(
    prec=MOST_EXACT_DIGITS,
    Emax=MAX_EMAX,
    Emin=MIN_EMIN,
    traps=[DivisionByZero, Inexact, InvalidOperation, Overflow],
)
_multiply = EXACT.multiply


class TooWide(Exception):
    """Bounds from which nothing follows, such as a denominator's on both sides of 0; narrower ones may tell."""


class WorkExhausted(Exception):
    """An evaluation needs more work than it may take."""


class Work:
    """What evaluations may cost together, in units of about a microsecond that are counted, not measured.

    Raises
    ------
    WorkExhausted
        From ``charge``, when the units are used up.
    """

    def __init__(self, units: int) -> None:
        self.left = units

    def charge(self, units: int) -> None:
        """Take the units of an operation before it is started."""
        if units > self.left:
            raise WorkExhausted
        self.left -= units


@cache
def _contexts(precision: int) -> tuple[Context, Context]:
    """Return the contexts that round down and up at ``precision`` significant digits."""
    return (
        Context(prec=precision, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN),
        Context(prec=precision, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN),
    )


def bounds(expression: Expression, numbers: Numbers, precision: int, work: Work | None = None) -> Bounds:
    """Return numbers (low, high) with low ≤ the expression's exact value ≤ high, the same number where it is exact.

    Raises
    ------
    TooWide
        If the precision is too low to bound the value.
    WorkExhausted
        If it takes more ``work`` than is left.
    ArithmeticError
        If there is no such value.
    """

    def of(node: Expression) -> Bounds:  # not by ``fold``: most nodes are references, which have no parts to look at
        if isinstance(node, Ref):
            value = numbers[node.name][node.index]
            return value, value
        parts: list[Bounds] = []
        before: Expression | None = None
        for part in node.parts:  # a power is a product of one node several times
            parts.append(parts[-1] if part is before else of(part))
            before = part
        if work is not None:
            work.charge(_cost(node, parts, precision))
        return _RULES[type(node)](node, parts, precision)

    return of(expression)


def _cost(node: Expression, parts: list[Bounds], precision: int) -> int:
    """Return roughly how many microseconds a node takes; decimal's functions are quadratic in the precision."""
    if not isinstance(node, Function):
        longest = max((_length(low) for low, _ in parts), default=1)
        return len(parts) * (1 + (longest + precision) // 200)
    short = -min(parts[0][0].adjusted(), 0) * 20 > precision  # of an argument close to 0, few terms count
    each = precision // 4 + precision * precision // (4000 if node.name == "sqrt" else 25) * (not short)
    each *= 4 if node.name == "erf" else 1  # a series in Python
    return 5 + 2 * each + _length(parts[0][0]) // 4


def _length(value: Decimal) -> int:
    return len(value.as_tuple().digits)


def _constant(node: Constant, parts: list[Bounds], precision: int) -> Bounds:
    return node.value, node.value


def _positive(node: Positive, parts: list[Bounds], precision: int) -> Bounds:
    value = ONE if parts[0][0] > 0 else ZERO
    return value, value


def _add(one: Bounds, other: Bounds, precision: int) -> Bounds:
    (a, b), (c, d) = one, other
    if a is b and c is d:
        try:
            exact = EXACT.add(a, c)
            return exact, exact
        except Inexact:
            pass
    down, up = _contexts(precision)
    return _merge(down.add(a, c), up.add(b, d))


def _times(one: Bounds, other: Bounds, precision: int) -> Bounds:
    (a, b), (c, d) = one, other
    if a is b and c is d:
        try:
            exact = _multiply(a, c)
            return exact, exact
        except Inexact:
            pass
    down, up = _contexts(precision)
    corners = [(x, y) for x in (a, b) for y in (c, d)]
    return _merge(min(down.multiply(x, y) for x, y in corners), max(up.multiply(x, y) for x, y in corners))


def _negate(one: Bounds) -> Bounds:
    low, high = one
    negative = high.copy_negate()
    return negative, negative if low is high else low.copy_negate()


def _sum(node: Sum, parts: list[Bounds], precision: int) -> Bounds:
    result = parts[0]
    for part in parts[1:]:
        result = _add(result, part, precision)
    return result


def _difference(node: Difference, parts: list[Bounds], precision: int) -> Bounds:
    return _add(parts[0], _negate(parts[1]), precision)


def _product(node: Product, parts: list[Bounds], precision: int) -> Bounds:
    result = parts[0]
    for part in parts[1:]:
        result = _times(result, part, precision)
    return result


def _quotient(node: Quotient, parts: list[Bounds], precision: int) -> Bounds:
    (a, b), (c, d) = parts
    if c <= 0 <= d:
        if c is d or c == d:
            raise ZeroDivisionError("a denominator of the trace is 0")
        raise TooWide
    down, up = _contexts(precision)
    pairs = [(a, c)] if a is b and c is d else [(x, y) for x in (a, b) for y in (c, d)]
    return _merge(min(down.divide(x, y) for x, y in pairs), max(up.divide(x, y) for x, y in pairs))


def _maximum(node: Maximum, parts: list[Bounds], precision: int) -> Bounds:
    return _merge(max(low for low, _ in parts), max(high for _, high in parts))


def _function(node: Function, parts: list[Bounds], precision: int) -> Bounds:
    ((a, b),) = parts
    if a < 0 <= b and node.name in ("log", "sqrt"):
        raise TooWide
    enclose = FUNCTIONS[node.name]  # all of them are increasing: the ends of the argument give the ends of the value
    low, high = enclose(a, precision)
    return (low, high) if a is b else _merge(low, enclose(b, precision)[1])


def _merge(low: Decimal, high: Decimal) -> Bounds:
    """Return the bounds as the same object where they are equal: identity is how exactness is recognised."""
    return (low, low) if low == high else (low, high)


def _shortened(enclose: Callable[[Decimal, int], Bounds], x: Decimal, precision: int, digits: int) -> Bounds:
    """Return the bounds of an increasing function of ``x``, of which only so many ``digits`` are used."""
    down, up = _contexts(max(digits, precision))
    least, most = down.plus(x), up.plus(x)
    low, high = enclose(least, precision)
    return (low, high) if least == most else (low, enclose(most, precision)[1])


def exp_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of e^x; e^0 is exactly 1."""
    if not x:
        return ONE, ONE

    def enclose(x: Decimal, precision: int) -> Bounds:
        low, high = _adjacent(_contexts(precision)[0].exp(x), precision)
        return max(low, ZERO), high

    return _shortened(enclose, x, precision, precision + 5 + max(x.adjusted(), 0))


def log_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of the natural logarithm of x > 0; log 1 is exactly 0.

    Close to 1, where decimal's ln is slow, d − d² < log(1 + d) < d is narrow enough.
    """
    if x == 1:
        return ZERO, ZERO
    if not x.is_finite() or not -1 <= x.adjusted() <= 0:
        return _shortened(_log, x, precision, precision + 5)
    down, up = _contexts(precision)
    distance = EXACT.subtract(x, ONE)
    if distance.adjusted() < -precision:
        return down.subtract(distance, up.multiply(distance, distance)), up.plus(distance)
    return _shortened(_log, x, precision, precision + 5 - min(distance.adjusted(), 0))


def _log(x: Decimal, precision: int) -> Bounds:
    return _adjacent(_contexts(precision)[0].ln(x), precision)


def sqrt_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of √x for x ≥ 0, one number where the root is exact."""
    context = _contexts(precision)[0]
    context.clear_flags()
    root = context.sqrt(x)
    return _adjacent(root, precision) if context.flags[Inexact] else (root, root)


def _adjacent(value: Decimal, precision: int) -> Bounds:
    """Return the numbers adjacent to a ``value`` that `decimal` rounded to nearest, as it does in exp, ln and sqrt."""
    down, up = _contexts(precision)
    return down.next_minus(value), up.next_plus(value)


def tanh_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of tanh x = (1 − e^(−2x)) / (1 + e^(−2x)), also narrow near 0 and far from it.

    Near 0 the difference would cancel, and x − x³/3 < tanh x < x for x > 0 is narrower. Elsewhere the exponential is
    computed to as many extra digits as the difference cancels. Far from 0, e^(−2x) < 10^(−precision) is enough.
    """
    if x < 0:
        return _negate(tanh_bounds(x.copy_negate(), precision))
    return _shortened(_tanh, x, precision, precision + 5) if x else (ZERO, ZERO)


def _tanh(x: Decimal, precision: int) -> Bounds:
    down, up = _contexts(precision)
    if 2 * x.adjusted() + 1 < -precision:
        return down.subtract(x, up.divide(up.multiply(x, up.multiply(x, x)), THREE)), up.plus(x)
    if x > 2 * precision:
        return down.subtract(ONE, Decimal((0, (1,), -precision))), ONE
    finer = precision + 5 + max(0, -x.adjusted())
    nearer, farther = _contexts(finer)
    least, most = exp_bounds(_multiply(-TWO, x), finer)
    return (
        down.divide(nearer.subtract(ONE, most), farther.add(ONE, most)),
        up.divide(farther.subtract(ONE, least), nearer.add(ONE, least)),
    )


FUNCTIONS: dict[str, Callable[[Decimal, int], Bounds]] = {
    "exp": exp_bounds,
    "log": log_bounds,
    "sqrt": sqrt_bounds,
    "tanh": tanh_bounds,
    "erf": erf_bounds,
}

_RULES: dict[type[Expression], Callable[[Any, list[Bounds], int], Bounds]] = {
    Constant: _constant,
    Masked: _constant,
    Positive: _positive,
    Sum: _sum,
    Difference: _difference,
    Product: _product,
    Quotient: _quotient,
    Maximum: _maximum,
    Function: _function,
}
