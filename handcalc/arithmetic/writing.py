"""Write a tree as arithmetic in Python's syntax, with the printed number in the place of each reference."""

from __future__ import annotations

from handcalc.arithmetic.bounds import Page
from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)
from handcalc.arithmetic.number_format import format_number

_SUM, _PRODUCT, _ATOM = 1, 2, 3


def arithmetic(expression: Expression, page: Page) -> str | None:
    """Return the tree over + - * / ( ) exp log sqrt tanh max with the fewest parentheses; None for a masked cell.

    Negative numbers stand as they are printed, without parentheses: ``0.5*-0.25 - -1.2`` is valid Python and is what
    one types into a calculator.
    """
    return None if isinstance(expression, Masked) else _write(expression, page)[0]


def _write(node: Expression, page: Page) -> tuple[str, int]:
    """Return the node's arithmetic, and how tightly its outermost operator binds."""
    match node:
        case Ref():
            return format_number(page[node.name][node.index]), _ATOM
        case Constant():
            return format_number(node.value), _ATOM
        case Positive():
            return "1" if page[node.cell.name][node.cell.index] > 0 else "0", _ATOM
        case Sum():
            return " + ".join(_inside(term, page, _SUM) for term in node.terms), _SUM
        case Difference():
            return f"{_inside(node.left, page, _SUM)} - {_inside(node.right, page, _PRODUCT)}", _SUM
        case Product():
            first, *rest = node.factors
            return "*".join([_inside(first, page, _PRODUCT), *(_factor(factor, page) for factor in rest)]), _PRODUCT
        case Quotient():
            return f"{_inside(node.numerator, page, _PRODUCT)}/{_inside(node.denominator, page, _ATOM)}", _PRODUCT
        case Function():
            return f"{node.name}({_write(node.argument, page)[0]})", _ATOM
        case Maximum():
            return f"max({', '.join(_write(argument, page)[0] for argument in node.arguments)})", _ATOM
    raise TypeError(f"{type(node).__name__} is not a node that can be written")


def _inside(node: Expression, page: Page, least: int) -> str:
    """Return the node's arithmetic, in parentheses if it binds less tightly than its place asks for."""
    text, tightness = _write(node, page)
    return text if tightness >= least else f"({text})"


def _factor(node: Expression, page: Page) -> str:
    """Return a factor after the first: a quotient there would otherwise be divided after the product."""
    return _inside(node, page, _ATOM if isinstance(node, Quotient) else _PRODUCT)
