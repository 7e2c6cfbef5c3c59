"""A small tree of arithmetic: what one cell of the trace is, before it is evaluated or printed.

Trees are written like mathematics: if ``x`` and ``mean`` are ``Cells``, ``x[t, c] - mean[t]`` is the tree of a
difference. The tree itself computes nothing. Numbers, printed lines and other notations are obtained by folding it: a
rule combines the results of each node's ``parts`` into the result of the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

Index = tuple[int, ...]

Numbers = Mapping[str, Mapping[Index, Decimal]]
"""The numbers that are known so far: name → index → value."""

MutableNumbers = dict[str, dict[Index, Decimal]]
"""The same, while numbers are still being added."""

T = TypeVar("T")


class Expression:
    """A node of the tree; + - * / make larger ones, and sums and products of several parts stay flat."""

    __slots__ = ()

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The nodes directly below this one."""
        return ()

    def fold(self, rule: Callable[[Expression, list[T]], T]) -> T:
        """Return ``rule`` applied to this node and to the results for its parts."""
        return rule(self, [part.fold(rule) for part in self.parts])

    def map_refs(self, change: Callable[[Ref], Expression]) -> Expression:
        """Return the same tree with every reference replaced by ``change(reference)``."""
        return self

    def __add__(self, other: Expression) -> Expression:
        return Sum((*(self.parts if isinstance(self, Sum) else (self,)), other))

    def __sub__(self, other: Expression) -> Expression:
        return Difference((self, other))

    def __mul__(self, other: Expression) -> Expression:
        return Product((*(self.parts if isinstance(self, Product) else (self,)), other))

    def __truediv__(self, other: Expression) -> Expression:
        return Quotient((self, other))


class Ref(Expression):
    """The printed number at ``index`` of the activation or weight ``name``."""

    __slots__ = ("index", "name")

    def __init__(self, name: str, index: Index) -> None:
        self.name = name
        self.index = index

    def map_refs(self, change: Callable[[Ref], Expression]) -> Expression:
        """Return what this reference is replaced by."""
        return change(self)


class Constant(Expression):
    """A number that belongs to the formula itself, such as the 2 of √(2/π)."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal | int | str) -> None:
        self.value = Decimal(value)


class Masked(Constant):
    """A cell of the future: it is not worked out; the causal mask sets its value to −inf or 0."""

    __slots__ = ()


class Operation(Expression):
    """A node that is computed from its parts."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Expression, ...]) -> None:
        self._parts = parts

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The operands, in order."""
        return self._parts

    def map_refs(self, change: Callable[[Ref], Expression]) -> Expression:
        """Return the same operation on the changed parts."""
        return self._with(tuple(part.map_refs(change) for part in self._parts))

    def _with(self, parts: tuple[Expression, ...]) -> Expression:
        return type(self)(parts)


class Sum(Operation):
    """The sum of two or more parts."""

    __slots__ = ()


class Difference(Operation):
    """The first part minus the second."""

    __slots__ = ()


class Product(Operation):
    """The product of two or more parts."""

    __slots__ = ()


class Quotient(Operation):
    """The first part divided by the second."""

    __slots__ = ()


class Maximum(Operation):
    """The largest of two or more parts."""

    __slots__ = ()


class Function(Operation):
    """One of the calculator's keys ``exp log sqrt tanh erf``, applied to its one part."""

    __slots__ = ("name",)

    def __init__(self, name: str, argument: Expression) -> None:
        super().__init__((argument,))
        self.name = name

    def _with(self, parts: tuple[Expression, ...]) -> Expression:
        return Function(self.name, *parts)


class Positive(Operation):
    """1 where its one part, a printed number, is above 0, else 0: the slope of ReLU, and the bracket of (5.9)."""

    __slots__ = ()

    def __init__(self, cell: Ref) -> None:
        super().__init__((cell,))


class Cells:
    """A named tensor whose cells are referred to by subscript: ``Cells("ln_f.mean")[t]``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, index: int | Index) -> Ref:
        return Ref(self.name, index if isinstance(index, tuple) else (index,))


MINUS_ONE, ZERO, HALF, ONE, TWO, THREE = (Constant(value) for value in ("-1", "0", "0.5", "1", "2", "3"))


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


def erf(argument: Expression) -> Expression:
    """Return the error function of ``argument``."""
    return Function("erf", argument)
