"""Check gradients by central differences in random directions (docs/derivations.md §14)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe, quote
from numpy_gpt.shared.model.argument_checks import check_callable, check_mapping, check_number
from numpy_gpt.shared.model.array_checks import check_array
from numpy_gpt.shared.model.arrays import Array, ieee

Function = Callable[[dict[str, Array]], Any]
_MOST_DIRECTIONS = 10_000
_STEPS = (1e-12, 1e3)
"""Below, the difference is rounding noise; far above, it is no derivative."""


class GradientError(AssertionError):
    """A gradient differs from the finite difference by more than the tolerance."""


@ieee
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
    differences are 0 too, and inf otherwise. It is NaN if a gradient or the function is not finite.

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
        The number of random directions, at most 10,000, their ε, from 1e-12 to 1000, and the seed for drawing them.

    Raises
    ------
    UserError
        If an argument has another type or is out of range, an input is not float64, a gradient's name or shape does
        not match, the function's result is not an array of numbers of the cotangent's shape, or there is nothing to
        check.
    """
    check_callable("function", function, "it takes the inputs by name and returns an array or a number")
    if whole_number("directions", directions, 1) > _MOST_DIRECTIONS:
        raise UserError(f"directions must be at most {_MOST_DIRECTIONS:,}, not {describe(directions)}; 4 are enough")
    whole_number("seed", seed, 0)
    step, (least, most) = check_number("step", step), _STEPS
    if not 0 < step < math.inf:
        raise UserError(f"step must be above 0 and finite, not {step}; try 1e-4")
    if not least <= step <= most:
        raise UserError(f"step must lie between {least:g} and {most:g}, not {step}; try 1e-4")
    _check_arrays(inputs, gradients)
    if not isinstance(cotangent, np.ndarray):
        cotangent = check_number("cotangent", cotangent)
    else:
        check_array("cotangent", cotangent)
        if cotangent.dtype.kind not in "fiu":
            raise UserError(f"the cotangent must be numbers, not {cotangent.dtype}")
    rng = np.random.default_rng(seed)
    inputs = dict(inputs)
    errors = {}
    for name, gradient in gradients.items():
        values, claimed = [], []
        for _ in range(directions):
            direction = rng.standard_normal(gradient.shape)
            values.append(_derivative(function, inputs, name, direction, cotangent, step))
            claimed.append(float(np.vdot(gradient, direction)))
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
        If ``tolerance`` is negative or not finite, so that nothing or everything would pass, or as ``gradient_errors``
        does.
    """
    tolerance = check_number("tolerance", tolerance)
    if not 0 <= tolerance < math.inf:
        raise UserError(f"tolerance must be at least 0 and finite, not {tolerance}; try 1e-7")
    if unknown := options.keys() - {"directions", "step", "seed"}:
        raise UserError(f"unknown option {quote(min(unknown))}; known: directions, step, seed")
    errors = gradient_errors(function, inputs, gradients, cotangent, **options)
    for name, error in errors.items():
        if not error <= tolerance:  # written so that NaN fails
            raise GradientError(f"the gradient of {name} is off by {error:.2e} (relative; allowed {tolerance:.0e})")
    return max(errors.values())


def _derivative(
    function: Function, inputs: dict[str, Array], name: str, direction: Array, cotangent: Array | float, step: float
) -> float:
    def central(epsilon: float) -> float:
        ahead, behind = (
            _result_of(function({**inputs, name: inputs[name] + sign * epsilon * direction}), cotangent)
            for sign in (1, -1)
        )
        return float(np.sum(cotangent * (ahead - behind))) / (2 * epsilon)  # (14.2)

    return (4 * central(step / 2) - central(step)) / 3  # (14.3): the error of order ε² cancels


def _result_of(result: Any, cotangent: Array | float) -> Array:
    try:
        array = np.asarray(result)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"the function must return an array of numbers, not {describe(result)}") from error
    if array.dtype.kind != "f" or isinstance(result, np.ma.MaskedArray):
        raise UserError(f"the function must return an array of floating-point numbers, not {describe(result)}")
    if isinstance(cotangent, np.ndarray) and cotangent.shape != array.shape:
        raise UserError(f"the cotangent must have the result's shape {array.shape}, not {cotangent.shape}")
    return array


def _check_arrays(inputs: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
    check_mapping("inputs", inputs)
    check_mapping("gradients", gradients)
    for name, gradient in gradients.items():
        if name not in inputs:
            raise UserError(f"there is a gradient of {describe(name)}, but no such input; inputs are {_names(inputs)}")
        value = inputs[name]
        check_array(f"input {describe(name)}", value)
        check_array(f"the gradient of {describe(name)}", gradient)
        if value.dtype != np.float64:
            raise UserError(f"finite differences need float64, but input {describe(name)} is {value.dtype}")
        if gradient.dtype.kind != "f":
            raise UserError(f"the gradient of {describe(name)} must be floating-point numbers, not {gradient.dtype}")
        if gradient.shape != value.shape:
            raise UserError(f"the gradient of {describe(name)} must have its shape {value.shape}, not {gradient.shape}")
    if not any(gradient.size for gradient in gradients.values()):
        known = _names(inputs)
        raise UserError(f"a gradient of at least one number is needed, and none came; inputs are {known}")


def _names(inputs: Mapping[str, Array]) -> str:
    names = [str(name)[:60] for name in inputs]
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
