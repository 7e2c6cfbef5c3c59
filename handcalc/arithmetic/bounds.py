"""Evaluate a tree to two decimal numbers that enclose its exact value.

+ - * and max are exact, so their bounds coincide wherever those of their operands do. / exp log sqrt tanh are enclosed
to a working precision: the lower bound is rounded down, the upper bound up. If the bounds are narrow enough, both round
to the same printed number, which is how ``calculator`` knows that the number is right.
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
MOST_EXACT_DIGITS = 200_000
"""Far more than any sum or product in a trace needs; writing out 1 + exp(1e9) in full would exhaust the memory."""

EXACT = Context(
    prec=MOST_EXACT_DIGITS,
    Emax=MAX_EMAX,
    Emin=MIN_EMIN,
    traps=[DivisionByZero, Inexact, InvalidOperation, Overflow],
)
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


@cache
def _contexts(precision: int) -> tuple[Context, Context]:
    """Return the contexts that round down and up at ``precision`` significant digits."""
    return (
        Context(prec=precision, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN),
        Context(prec=precision, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN),
    )


def bounds(expression: Expression, numbers: Numbers, precision: int) -> Bounds:
    """Return numbers (low, high) with low ≤ the expression's exact value ≤ high, the same number where it is exact."""

    def of(node: Expression) -> Bounds:  # not by ``fold``: most nodes are references, which have no parts to look at
        if isinstance(node, Ref):
            value = numbers[node.name][node.index]
            return value, value
        return _RULES[type(node)](node, [of(part) for part in node.parts], precision)

    return of(expression)


def _constant(node: Constant, parts: list[Bounds], precision: int) -> Bounds:
    return node.value, node.value


def _positive(node: Positive, parts: list[Bounds], precision: int) -> Bounds:
    value = ONE if parts[0][0] > 0 else ZERO
    return value, value


def _sum(node: Sum, parts: list[Bounds], precision: int) -> Bounds:
    low = high = ZERO
    for least, most in parts:
        exact = low is high and least is most
        low = _add(low, least)
        high = low if exact else _add(high, most)
    return low, high


def _difference(node: Difference, parts: list[Bounds], precision: int) -> Bounds:
    (a, b), (c, d) = parts
    low = _subtract(a, d)
    return low, low if a is b and c is d else _subtract(b, c)


def _product(node: Product, parts: list[Bounds], precision: int) -> Bounds:
    low = high = ONE
    for least, most in parts:
        if low is high and least is most:
            low = high = _multiply(low, least)
        else:
            corners = [_multiply(a, b) for a in (low, high) for b in (least, most)]
            low, high = min(corners), max(corners)
    return low, high


def _quotient(node: Quotient, parts: list[Bounds], precision: int) -> Bounds:
    (a, b), (c, d) = parts
    if c <= 0 <= d:
        raise ZeroDivisionError("a denominator of the trace is 0, or too close to 0 to tell")
    down, up = _contexts(precision)
    pairs = [(a, c)] if a is b and c is d else [(x, y) for x in (a, b) for y in (c, d)]
    return _merge(min(down.divide(x, y) for x, y in pairs), max(up.divide(x, y) for x, y in pairs))


def _maximum(node: Maximum, parts: list[Bounds], precision: int) -> Bounds:
    return _merge(max(low for low, _ in parts), max(high for _, high in parts))


def _function(node: Function, parts: list[Bounds], precision: int) -> Bounds:
    ((a, b),) = parts
    enclose = FUNCTIONS[node.name]  # all of them are increasing: the ends of the argument give the ends of the value
    low, high = enclose(a, precision)
    return (low, high) if a is b else (low, enclose(b, precision)[1])


def _merge(low: Decimal, high: Decimal) -> Bounds:
    """Return the bounds as the same object where they are equal: identity is how exactness is recognised."""
    return (low, low) if low == high else (low, high)


def exp_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of e^x; e^0 is exactly 1."""
    return (ONE, ONE) if not x else _adjacent(_contexts(precision)[0].exp(x), precision)


def log_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of the natural logarithm of x > 0; log 1 is exactly 0."""
    return (ZERO, ZERO) if x == 1 else _adjacent(_contexts(precision)[0].ln(x), precision)


def sqrt_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of √x for x ≥ 0, one number where the root is exact."""
    root = _contexts(precision)[0].sqrt(x)
    return (root, root) if _multiply(root, root) == x else _adjacent(root, precision)


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
        low, high = tanh_bounds(x.copy_negate(), precision)
        return _merge(high.copy_negate(), low.copy_negate())
    down, up = _contexts(precision)
    if not x:
        return ZERO, ZERO
    if 2 * x.adjusted() + 1 < -precision:
        return down.subtract(x, up.divide(_multiply(x, _multiply(x, x)), THREE)), x
    if x > 2 * precision:
        return down.subtract(ONE, Decimal((0, (1,), -precision))), ONE
    finer = precision + 5 + max(0, -x.adjusted())
    least, most = exp_bounds(_multiply(-TWO, x), finer)
    return (
        down.divide(_subtract(ONE, most), _add(ONE, most)),
        up.divide(_subtract(ONE, least), _add(ONE, least)),
    )


FUNCTIONS: dict[str, Callable[[Decimal, int], Bounds]] = {
    "exp": exp_bounds,
    "log": log_bounds,
    "sqrt": sqrt_bounds,
    "tanh": tanh_bounds,
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
