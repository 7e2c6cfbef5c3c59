"""A backward step: the gradient of one named tensor, and the forward steps that it undoes."""

from __future__ import annotations

from collections.abc import Callable

from handcalc.arithmetic.expression import Cells, Constant, Expression
from handcalc.tracing.steps import BACKWARD, Step, Weights
from numpy_gpt.shared.model.names import gradient_name

MINUS_ONE, HALF, ONE, TWO, THREE = Constant(-1), Constant("0.5"), Constant(1), Constant(2), Constant(3)


def gradient(name: str) -> Cells:
    """Return the cells of ∂loss/∂name."""
    return Cells(gradient_name(name))


def gradient_step(
    name: str,
    axes: str,
    equation: str,
    section: str,
    meaning: str,
    cell: Callable[..., Expression],
    *,
    undoes: tuple[str, ...],
    weights: tuple[Weights, ...] = (),
) -> Step:
    """Return the step that works out the gradient of ``name``; ``undoes`` are the forward steps that used ``name``."""
    return Step(gradient_name(name), axes, equation, section, meaning, cell, weights, undoes, BACKWARD)
