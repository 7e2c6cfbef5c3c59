"""Reverse-mode differentiation of single 50-digit numbers: sums of products and five functions, nothing else.

Each number remembers what it was computed from and the derivative with respect to each of those. ``backward`` walks
back from the result, children before parents, and applies the chain rule; no formula of docs/derivations.md is used
anywhere, so that a mistake there cannot be repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import mpmath
from mpmath import mpf

DIGITS = 50


class Scalar:
    """A number with its parents and the derivatives with respect to them."""

    __slots__ = ("derivatives", "gradient", "parents", "value")

    def __init__(self, value: mpf, parents: Sequence[Scalar] = (), derivatives: Sequence[mpf] = ()) -> None:
        self.value, self.parents, self.derivatives = value, parents, derivatives
        self.gradient = mpf(0)

    def __add__(self, other: Scalar) -> Scalar:
        """Return the sum."""
        return Scalar(self.value + other.value, (self, other), (_ONE, _ONE))

    def __sub__(self, other: Scalar) -> Scalar:
        """Return the difference."""
        return Scalar(self.value - other.value, (self, other), (_ONE, -_ONE))

    def __mul__(self, other: Scalar) -> Scalar:
        """Return the product."""
        return Scalar(self.value * other.value, (self, other), (other.value, self.value))

    def __truediv__(self, other: Scalar) -> Scalar:
        """Return the quotient."""
        quotient = self.value / other.value
        return Scalar(quotient, (self, other), (1 / other.value, -quotient / other.value))

    def times(self, constant: mpf) -> Scalar:
        """Return constant·x."""
        return Scalar(constant * self.value, (self,), (constant,))

    def plus(self, constant: mpf) -> Scalar:
        """Return x + constant."""
        return Scalar(self.value + constant, (self,), (_ONE,))

    def exp(self) -> Scalar:
        """Return exp(x)."""
        value = mpmath.exp(self.value)
        return Scalar(value, (self,), (value,))

    def log(self) -> Scalar:
        """Return the natural logarithm."""
        return Scalar(mpmath.log(self.value), (self,), (1 / self.value,))

    def sqrt(self) -> Scalar:
        """Return the square root."""
        value = mpmath.sqrt(self.value)
        return Scalar(value, (self,), (1 / (2 * value),))

    def tanh(self) -> Scalar:
        """Return tanh(x)."""
        value = mpmath.tanh(self.value)
        return Scalar(value, (self,), (1 - value * value,))


_ONE = mpf(1)


def dot(left: Iterable[Scalar], right: Iterable[Scalar]) -> Scalar:
    """Return Σ left·right as one node."""
    a, b = tuple(left), tuple(right)
    value = mpmath.fsum(x.value * y.value for x, y in zip(a, b, strict=True))
    return Scalar(value, a + b, tuple(y.value for y in b) + tuple(x.value for x in a))


def total(parts: Iterable[Scalar]) -> Scalar:
    """Return the sum as one node."""
    terms = tuple(parts)
    return Scalar(mpmath.fsum(part.value for part in terms), terms, (_ONE,) * len(terms))


def backward(result: Scalar) -> None:
    """Set ``gradient`` of every number that ``result`` depends on: the derivative of ``result`` with respect to it."""
    result.gradient = _ONE
    for node in reversed(_parents_first(result)):
        for parent, derivative in zip(node.parents, node.derivatives, strict=True):
            parent.gradient += node.gradient * derivative


def _parents_first(result: Scalar) -> list[Scalar]:
    ordered, seen, waiting = [], set(), [(result, False)]
    while waiting:
        node, parents_done = waiting.pop()
        if parents_done:
            ordered.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            waiting.extend((parent, False) for parent in node.parents)
    return ordered
