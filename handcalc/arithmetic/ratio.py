"""Evaluate a tree exactly as a quotient of two decimal numbers, if it is one.

Most arithmetic that people write has no function that is irrational, and then a tie between two displays, as in
1/3 * 0.37035 = 0.12345, is recognised, which no working precision of ``bounds`` can show.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, Inexact

from handcalc.arithmetic.bounds import EXACT, ONE, ZERO, Work, sqrt_bounds
from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Maximum,
    Numbers,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)

Ratio = tuple[Decimal, Decimal]
"""Numerator and denominator; the denominator is above 0."""


def exact_ratio(expression: Expression, numbers: Numbers, work: Work) -> Ratio | None:
    """Return the exact value as a quotient, or None if it is irrational, or too long to write down.

    Raises
    ------
    WorkExhausted
        If it takes more ``work`` than is left.
    ArithmeticError
        If there is no such value.
    """

    def of(node: Expression) -> Ratio:
        parts: list[Ratio] = []
        before: Expression | None = None
        for part in node.parts:  # a power is a product of one node several times
            parts.append(parts[-1] if part is before else of(part))
            before = part
        result = _combine(node, parts, numbers, work)
        if not (result[0].is_finite() and result[1].is_finite()):
            raise _NoRatio
        return result

    try:
        return of(expression)
    except (_NoRatio, Inexact):
        return None


class _NoRatio(Exception):
    pass


def _combine(node: Expression, parts: list[Ratio], numbers: Numbers, work: Work) -> Ratio:
    match node:
        case Ref():
            return numbers[node.name][node.index], ONE
        case Constant():
            return node.value, ONE
        case Positive():
            return Decimal(int(parts[0][0] > 0)), ONE
        case Function():
            return _function(node.name, parts[0], work), ONE
    result = parts[0]
    for part in parts[1:]:
        work.charge(2 + sum(len(number.as_tuple().digits) for number in (*result, *part)) // 50)
        result = _OPERATIONS[type(node)](result, part)
    return result


def _add(one: Ratio, other: Ratio) -> Ratio:
    (a, b), (c, d) = one, other
    if b == d:
        return EXACT.add(a, c), b
    return EXACT.add(EXACT.multiply(a, d), EXACT.multiply(c, b)), EXACT.multiply(b, d)


def _subtract(one: Ratio, other: Ratio) -> Ratio:
    return _add(one, (other[0].copy_negate(), other[1]))


def _multiply(one: Ratio, other: Ratio) -> Ratio:
    return EXACT.multiply(one[0], other[0]), EXACT.multiply(one[1], other[1])


def _divide(one: Ratio, other: Ratio) -> Ratio:
    above, below = other
    if not above:
        raise ZeroDivisionError("a denominator of the trace is 0")
    return EXACT.multiply(one[0], below.copy_sign(above)), EXACT.multiply(one[1], above.copy_abs())


def _larger(one: Ratio, other: Ratio) -> Ratio:
    return one if EXACT.multiply(one[0], other[1]) >= EXACT.multiply(other[0], one[1]) else other


_OPERATIONS: dict[type[Expression], Callable[[Ratio, Ratio], Ratio]] = {
    Sum: _add,
    Difference: _subtract,
    Product: _multiply,
    Quotient: _divide,
    Maximum: _larger,
}


def _function(name: str, argument: Ratio, work: Work) -> Decimal:
    """Return a root if it is exact, and the few other exact values of the calculator's functions."""
    work.charge(1000)
    value = argument[0] if argument[1] == 1 else EXACT.divide(*argument)
    if name == "sqrt":
        low, high = sqrt_bounds(value, len(value.as_tuple().digits) + 1)
        if low is high:
            return low
    elif value == (1 if name == "log" else 0):
        return ONE if name == "exp" else ZERO
    raise _NoRatio
