"""Evaluate a tree in float64, as a spreadsheet does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Index,
    Maximum,
    Positive,
    Product,
    Quotient,
    Ref,
    Sum,
)
from handcalc.arithmetic.unknown import Choice, Power, Where

Floats = Mapping[str, Mapping[Index, float]]
"""The numbers that are known so far: name → index → value."""

MutableFloats = dict[str, dict[Index, float]]
"""The same, while numbers are still being added."""


def float_value(expression: Expression, numbers: Floats, ids: Sequence[int]) -> float:
    """Return the tree's value with these numbers and the ``ids`` of the tokens.

    Raises
    ------
    ArithmeticError
        If it leaves the range of float64.
    """
    return expression.fold(lambda node, parts: _evaluate(node, parts, numbers, ids))


def _evaluate(node: Expression, parts: list[float], numbers: Floats, ids: Sequence[int]) -> float:
    match node:
        case Ref():
            return numbers[node.name][node.index]
        case Constant():
            return float(node.value)
        case Sum():
            return math.fsum(parts)
        case Difference():
            return parts[0] - parts[1]
        case Product():
            return math.prod(parts)
        case Quotient():
            return parts[0] / parts[1]
        case Maximum():
            return max(parts)
        case Function():
            return cast(float, getattr(math, node.name)(parts[0]))
        case Positive():
            return float(parts[0] > 0)
        case Power():
            return math.pow(parts[0], parts[1])
        case Choice():
            return parts[ids[node.token.position]]
        case Where():
            return parts[0] if ids[node.token.position] == node.word else 0.0
    raise TypeError(f"{type(node).__name__} is not a node that can be evaluated")
