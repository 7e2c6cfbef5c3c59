"""Check gradients by central differences in random directions (docs/derivations.md §14)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from numpy_gpt.shared.model.arrays import Array

Function = Callable[[dict[str, Array]], Any]


class GradientError(AssertionError):
    """A gradient differs from the finite difference by more than the tolerance."""


def gradient_errors(
    function: Function,
    inputs: Mapping[str, Array],
    gradients: Mapping[str, Array],
    cotangent: Array | float = 1.0,
    *,
    directions: int = 4,
    step: float = 1e-4,
    seed: int = 0,
) -> dict[str, float]:
    """Return, for each input that has a gradient, the relative error of that gradient.

    For random directions u of one input x at a time, d/dε ⟨cotangent, f(x + ε·u)⟩ must equal ⟨gradient, u⟩ (14.1).
    The derivative is a central difference (14.2) with one Richardson extrapolation (14.3). The relative error is the
    Euclidean norm of the differences over all directions, divided by that of the derivatives, so that a
    direction in which the derivative happens to vanish does no harm. If all derivatives are 0, the error is 0 if all
    differences are 0 too, and inf otherwise.

    Parameters
    ----------
    function
        Takes the inputs by name and returns an array or a number; it must neither keep nor change its inputs.
    inputs, gradients
        float64 arrays by name; a gradient has the shape of its input.
    cotangent
        The upstream gradient from which ``gradients`` were computed, of the result's shape. Draw it at random: with
        all ones, a softmax backward that returns zeros would pass.
    directions, step, seed
        The number of random directions, their ε, and the seed for drawing them.

    Raises
    ------
    UserError
        If an input is not float64, a gradient's name or shape does not match, or there is nothing to check.
    """
    whole_number("directions", directions, 1)
    if not 0 < step < math.inf:
        raise UserError(f"step must be above 0 and finite, not {step}; try 1e-4")
    _check_arrays(inputs, gradients)
    rng = np.random.default_rng(seed)
    inputs = dict(inputs)
    errors = {}
    for name, gradient in gradients.items():
        along = [rng.standard_normal(gradient.shape) for _ in range(directions)]
        values = [_derivative(function, inputs, name, direction, cotangent, step) for direction in along]
        claimed = [float(np.vdot(gradient, direction)) for direction in along]
        difference, value = math.dist(claimed, values), math.hypot(*values)
        errors[name] = difference / value if value else (math.inf if difference else 0.0)
    return errors


def check_gradients(
    function: Function,
    inputs: Mapping[str, Array],
    gradients: Mapping[str, Array],
    cotangent: Array | float = 1.0,
    *,
    tolerance: float = 1e-7,
    **options: Any,
) -> float:
    """Return the largest relative error of the gradients; takes the arguments of ``gradient_errors``.

    Raises
    ------
    GradientError
        If an error exceeds ``tolerance`` or is NaN; the message names the input.
    UserError
        If an input is not float64, a gradient's name or shape does not match, or there is nothing to check.
    """
    errors = gradient_errors(function, inputs, gradients, cotangent, **options)
    for name, error in errors.items():
        if not error <= tolerance:  # written so that NaN fails
            raise GradientError(f"the gradient of {name} is off by {error:.2e} (relative; allowed {tolerance:.0e})")
    return max(errors.values())


def _derivative(
    function: Function, inputs: dict[str, Array], name: str, direction: Array, cotangent: Array | float, step: float
) -> float:
    def central(epsilon: float) -> float:
        ahead, behind = (function({**inputs, name: inputs[name] + sign * epsilon * direction}) for sign in (1, -1))
        return float(np.sum(cotangent * (ahead - behind))) / (2 * epsilon)  # (14.2)

    return (4 * central(step / 2) - central(step)) / 3  # (14.3): the error of order ε² cancels


def _check_arrays(inputs: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
    for name, gradient in gradients.items():
        if name not in inputs:
            raise UserError(f"there is a gradient of {name!r}, but no such input; inputs are {', '.join(inputs)}")
        value = inputs[name]
        if value.dtype != np.float64:
            raise UserError(f"finite differences need float64, but input {name!r} is {value.dtype}")
        if gradient.shape != value.shape:
            raise UserError(f"the gradient of {name!r} must have its shape {value.shape}, not {gradient.shape}")
    if not any(gradient.size for gradient in gradients.values()):
        raise UserError(f"a gradient of at least one number is needed, and none came; inputs are {', '.join(inputs)}")
