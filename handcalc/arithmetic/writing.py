"""Write numbers, cells and trees the way the page shows them: as arithmetic in Python's syntax."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Index,
    Masked,
    Maximum,
    Numbers,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)

_SUM, _PRODUCT, ATOM = 1, 2, 3
"""How tightly an operator binds; an atom needs no parentheses anywhere."""

Written = tuple[str, int]
"""A node's arithmetic, and how tightly its outermost operator binds."""


def format_number(value: Decimal) -> str:
    """Return ``value`` with all its digits, in Python's syntax: 0.0123, 12, 1.5e-07, -inf.

    As with Python's own floats, numbers from 0.0001 up to below 1e16 have no exponent. There is no -0, and no zero
    after the last significant digit, so equal numbers look the same.
    """
    if not value.is_finite():
        return "-inf" if value < 0 else "inf"
    if not value:
        return "0"
    if -5 < value.adjusted() < 16:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits, _ = value.as_tuple()
    return _scientific(sign, "".join(map(str, digits)).rstrip("0"), value.adjusted())


def format_significant(value: Decimal, digits: int) -> str:
    """Return ``value``, which has at most so many significant digits, with exactly so many: 0.250, 12.0, 1.50e-07.

    Zeros are appended behind the decimal point only. 0, which has no significant digit, stays 0.
    """
    shown = format_number(value)
    sign, figures, exponent = value.as_tuple()
    missing = digits - len(figures)
    if not value or not isinstance(exponent, int) or missing <= 0:
        return shown
    if "e" in shown:
        return _scientific(sign, "".join(map(str, figures)) + "0" * missing, value.adjusted())
    return format(Decimal((sign, (*figures, *(0,) * missing), exponent - missing)), "f")


def _scientific(sign: int, figures: str, exponent: int) -> str:
    mantissa = f"{figures[0]}.{figures[1:]}" if figures[1:] else figures
    return f"{'-' * sign}{mantissa}e{exponent:+03d}"


def cell_label(name: str, index: Index | None) -> str:
    """Return how a cell is written: ``scores[2,0]``, or ``loss`` for a single number."""
    return f"{name}[{','.join(map(str, index))}]" if index else name


def arithmetic(expression: Expression, numbers: Numbers) -> str | None:
    """Return the tree over + - * / ( ) exp log sqrt tanh erf max with the fewest parentheses; None for a masked cell.

    Each reference is written as its number. Negative numbers are not put in parentheses: ``0.5*-0.25 - -1.2`` is valid
    Python and can be typed into a calculator as it is.
    """
    if isinstance(expression, Masked):
        return None
    return expression.fold(lambda node, parts: _write(node, parts, numbers))[0]


def _write(node: Expression, parts: list[Written], numbers: Numbers) -> Written:
    match node:
        case Ref():
            return format_number(numbers[node.name][node.index]), ATOM
        case Constant():
            return format_number(node.value), ATOM
        case Positive():
            cell = cast(Ref, node.parts[0])
            return "1" if numbers[cell.name][cell.index] > 0 else "0", ATOM
        case Function():
            return f"{node.name}({parts[0][0]})", ATOM
        case Maximum():
            return f"max({', '.join(text for text, _ in parts)})", ATOM
    return join_operands(node, parts)


def join_operands(node: Expression, parts: Sequence[Written]) -> Written:
    """Return a node of + - * / from its operands, with parentheses only where they are needed."""
    match node:
        case Sum():
            return " + ".join(_enclose(part, _SUM) for part in parts), _SUM
        case Difference():
            return f"{_enclose(parts[0], _SUM)} - {_enclose(parts[1], _PRODUCT)}", _SUM
        case Product():
            # A quotient after the first factor would otherwise be divided after the product.
            least = [_PRODUCT, *(ATOM if isinstance(factor, Quotient) else _PRODUCT for factor in node.parts[1:])]
            return "*".join(map(_enclose, parts, least)), _PRODUCT
        case Quotient():
            return f"{_enclose(parts[0], _PRODUCT)}/{_enclose(parts[1], ATOM)}", _PRODUCT
    raise TypeError(f"{type(node).__name__} is not a node that can be written")


def _enclose(part: Written, least: int) -> str:
    """Return the part's arithmetic, in parentheses if it binds less tightly than ``least``."""
    text, tightness = part
    return text if tightness >= least else f"({text})"
