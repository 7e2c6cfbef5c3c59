"""How far a trace may be from numpy_gpt's float64, cell by cell, if they differ only by rounding.

Both compute the same formulas from the same printed weights; they differ by the rounding of each cell. Cell j's error
is at most e_j: half a unit of its last printed digit, plus what float64 may round in that one formula (2^-52 for each
operation, 8 operations for a function, relative to the sum of the absolute values that are added). Cell i then differs
by at most Σ_j |∂i/∂j|·e_j, to first order. The derivatives are exact, through all steps, from handcalc's own trees: so
errors that cancel do cancel, which interval arithmetic would miss after a few steps. The bound is doubled for the terms
of second order. Nothing in it is fitted: a violation is a mistake, in one of the two or in this reasoning.

With 16 or more digits the bound is a few units in float64's last place, and a mistake of one part in 10^10 is detected.
With 4 digits it is the worst that rounding can do.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from handcalc.arithmetic.expression import (
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Product,
    Quotient,
    Ref,
    Sum,
)
from handcalc.formulas.step import Step
from handcalc.tracing.trace import Trace
from numpy_gpt.model import predict
from numpy_gpt.parameters import parameters_from

FLOAT64 = 2.0**-52
SECOND_ORDER = 2.0


class Dual(NamedTuple):
    """A value, its derivatives by every earlier cell's error, the sum of its absolute values, and its operations."""

    value: float
    slopes: Any
    size: float
    operations: int


Bounded = dict[str, dict[Any, tuple[float, float]]]
"""Name → index → printed value and bound."""


class Bounds:
    """The derivatives of each cell by each cell's own error, and those errors."""

    def __init__(self, trace: Trace) -> None:
        self.cells = sum(len(trace.numbers[step.name]) for step in trace.plan.steps)
        self.duals: dict[tuple[str, Any], Dual] = {}
        self.errors = np.zeros(self.cells)
        self.bounded: Bounded = {}
        for name in trace.plan.weight_shapes:
            for index, weight in trace.numbers[name].items():
                self.duals[name, index] = Dual(float(weight), 0.0, abs(float(weight)), 0)
        cell = 0
        for step in trace.plan.steps:
            bounds = self.bounded[step.name] = {}
            for index, printed in trace.numbers[step.name].items():
                bounds[index] = float(printed), self.add(step, index, printed, cell, trace.plan.digits)
                cell += 1

    def add(self, step: Step, index: Any, printed: Decimal, cell: int, digits: int) -> float:
        """Add a cell and return the bound of its error."""
        expression = step.cell(*index)
        if isinstance(expression, Masked):
            return 0.0
        worked = self.dual(expression)
        self.errors[cell] = FLOAT64 * worked.operations * worked.size + self.switching(expression)
        if printed:
            self.errors[cell] += 0.5 * 10.0 ** (printed.adjusted() + 1 - digits)
        slopes = np.zeros(self.cells) + worked.slopes
        slopes[cell] = 1.0
        self.duals[step.name, index] = Dual(float(printed), slopes, abs(float(printed)), 0)
        return SECOND_ORDER * self.bound(self.duals[step.name, index])

    def bound(self, dual: Dual) -> float:
        return float(np.sum(np.abs(dual.slopes) * self.errors))

    def switching(self, node: Expression) -> float:
        """Return the additional error of a maximum if another argument is the largest one in float64."""
        if not isinstance(node, Maximum):
            return 0.0
        ends = [(part.value, part.value + self.bound(part)) for part in map(self.dual, node.parts)]
        return max(end for _, end in ends) - max(ends)[1]

    def dual(self, node: Expression) -> Dual:
        match node:
            case Ref():
                return self.duals[node.name, node.index]
            case Constant():
                return Dual(float(node.value), 0.0, abs(float(node.value)), 0)
            case Sum():
                return add_duals(list(map(self.dual, node.parts)), 1)
            case Difference():
                return add_duals(list(map(self.dual, node.parts)), -1)
            case Maximum():
                return max(map(self.dual, node.parts), key=lambda part: part.value)
            case Product():
                return reduce(multiply_duals, map(self.dual, node.parts))
            case Quotient():
                return divide_duals(*map(self.dual, node.parts))
            case Function():
                return apply_function(node.name, self.dual(node.parts[0]))
        raise TypeError(node)


def add_duals(parts: list[Dual], sign: int) -> Dual:
    first, *rest = parts
    return Dual(
        first.value + sign * math.fsum(part.value for part in rest),
        first.slopes + sign * sum(part.slopes for part in rest),
        sum(part.size for part in parts),
        sum(part.operations + 1 for part in parts),
    )


def multiply_duals(a: Dual, b: Dual) -> Dual:
    slopes = a.slopes * b.value + b.slopes * a.value
    return Dual(a.value * b.value, slopes, a.size * b.size, a.operations + b.operations + 1)


def divide_duals(a: Dual, b: Dual) -> Dual:
    value = a.value / b.value
    slopes = (a.slopes - value * b.slopes) / b.value
    return Dual(value, slopes, a.size / abs(b.value) * (b.size / abs(b.value)), a.operations + b.operations + 1)


def apply_function(name: str, x: Dual) -> Dual:
    value = {"exp": math.exp, "sqrt": math.sqrt, "tanh": math.tanh, "erf": math.erf}[name](x.value)
    slope = {
        "exp": value,
        "sqrt": 0.5 / value if value else math.inf,
        "tanh": 1 - value**2,
        "erf": 2 / math.sqrt(math.pi) * math.exp(-min(x.value**2, 700)),
    }[name]
    return Dual(value, slope * x.slopes, abs(value) + slope * x.size, x.operations + 8)


def activations_of(trace: Trace, arrays: Any) -> dict[str, Any]:
    activations: dict[str, Any] = {}
    predict(
        parameters_from(trace.plan.config, arrays),
        [trace.plan.tokens],
        lambda name, a: activations.update({name: a.copy()}),
    )
    return activations


def steps_outside(trace: Trace) -> list[str]:
    """Return the names of the steps that have a cell outside its bound."""
    arrays = {
        name: np.array([float(value) for value in trace.numbers[name].values()]).reshape(shape)
        for name, shape in trace.plan.weight_shapes.items()
    }
    activations, names = activations_of(trace, arrays), []
    for name, cells in Bounds(trace).bounded.items():
        array = activations[name] if name == "embedding.position" else activations[name][0]
        assert array.size == len(cells), name
        if any(not is_within(float(array[index]), value, bound) for index, (value, bound) in cells.items()):
            names.append(name)
    return names


def is_within(exact: float, value: float, bound: float) -> bool:
    return value == exact or abs(value - exact) <= bound
