"""A tiny tree of arithmetic: what one cell of the trace is, before anybody evaluates or prints it.

Trees are written as mathematics: with ``x`` and ``mean`` two ``Cells``, ``x[t, c] - mean[t]`` is the tree of a
difference. Who wants a number, a printed line or another notation walks the tree; the tree itself computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

Index = tuple[int, ...]


class Expression:
    """A node of the tree; + - * / make larger ones, and sums and products of several parts stay flat."""

    __slots__ = ()

    def __add__(self, other: Expression) -> Expression:
        return Sum((*(self.terms if isinstance(self, Sum) else (self,)), other))

    def __sub__(self, other: Expression) -> Expression:
        return Difference(self, other)

    def __mul__(self, other: Expression) -> Expression:
        return Product((*(self.factors if isinstance(self, Product) else (self,)), other))

    def __truediv__(self, other: Expression) -> Expression:
        return Quotient(self, other)


class Ref(Expression):
    """The printed number at ``index`` of the activation or weight ``name``."""

    __slots__ = ("index", "name")

    def __init__(self, name: str, index: Index) -> None:
        self.name = name
        self.index = index


class Constant(Expression):
    """A number that belongs to the formula itself, such as the 2 of √(2/π)."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal | int | str) -> None:
        self.value = Decimal(value)


class Masked(Expression):
    """A cell of the future: it is not worked out, its value is what the causal mask makes of it (−inf or 0)."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal | int | str) -> None:
        self.value = Decimal(value)


class Sum(Expression):
    """The sum of two terms or more."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Expression, ...]) -> None:
        self.terms = terms


class Difference(Expression):
    """``left - right``."""

    __slots__ = ("left", "right")

    def __init__(self, left: Expression, right: Expression) -> None:
        self.left = left
        self.right = right


class Product(Expression):
    """The product of two factors or more."""

    __slots__ = ("factors",)

    def __init__(self, factors: tuple[Expression, ...]) -> None:
        self.factors = factors


class Quotient(Expression):
    """``numerator / denominator``."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Expression, denominator: Expression) -> None:
        self.numerator = numerator
        self.denominator = denominator


class Function(Expression):
    """One of the calculator's keys ``exp log sqrt tanh``, pressed on ``argument``."""

    __slots__ = ("argument", "name")

    def __init__(self, name: str, argument: Expression) -> None:
        self.name = name
        self.argument = argument


class Maximum(Expression):
    """The largest of two arguments or more."""

    __slots__ = ("arguments",)

    def __init__(self, arguments: tuple[Expression, ...]) -> None:
        self.arguments = arguments


class Positive(Expression):
    """1 where the printed number ``cell`` is above 0, else 0: the slope of ReLU, and the bracket of (5.9)."""

    __slots__ = ("cell",)

    def __init__(self, cell: Ref) -> None:
        self.cell = cell


class Cells:
    """A named tensor whose cells are referred to by subscript: ``Cells("ln_f.mean")[t]``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, index: int | Index) -> Ref:
        return Ref(self.name, index if isinstance(index, tuple) else (index,))


def total(terms: Iterable[Expression]) -> Expression:
    """Return the sum of the terms; a single term is its own sum."""
    parts = tuple(terms)
    return parts[0] if len(parts) == 1 else Sum(parts)


def largest(arguments: Iterable[Expression]) -> Expression:
    """Return the maximum of the arguments; a single one is its own maximum."""
    parts = tuple(arguments)
    return parts[0] if len(parts) == 1 else Maximum(parts)


def exp(argument: Expression) -> Expression:
    """Return e to the power of ``argument``."""
    return Function("exp", argument)


def log(argument: Expression) -> Expression:
    """Return the natural logarithm of ``argument``."""
    return Function("log", argument)


def sqrt(argument: Expression) -> Expression:
    """Return the square root of ``argument``."""
    return Function("sqrt", argument)


def tanh(argument: Expression) -> Expression:
    """Return the hyperbolic tangent of ``argument``."""
    return Function("tanh", argument)
