"""A training step of any number by numpy_gpt in float64, under the names of a workbook's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from handcalc.formulas.adamw import Optimizer
from handcalc.tracing.live import STEP_NUMBER, Live
from numpy_gpt.adamw import AdamWState, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.model import loss_and_gradients, predict
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes
from numpy_gpt.shared.model.record import keep_in
from parity_tests.handcalc.formulas.training_reference import without_batches

Arrays = dict[str, Any]


def numpy_numbers(live: Live, inputs: Arrays, ids: tuple[int, ...], found_gradients: Arrays) -> Arrays:
    """Return every tensor of the calculation from the given weights, moments, step number and ids.

    The update is that of ``found_gradients``, by name: AdamW divides a gradient by its own size, and so would amplify
    the rounding of one that is nearly 0.
    """
    weights = {name: inputs[name] for name in parameter_shapes(live.config)}
    parameters, time = parameters_from(live.config, weights), live.sizes.t
    if len(ids) == time:
        found: Arrays = {}
        predict(parameters, [ids], record=keep_in(found))
        return without_batches(found)
    found = _record(parameters, ids)
    _, gradients = loss_and_gradients(parameters, [ids[:-1]], [ids[1:]])
    found |= {gradient_name(name): array.copy() for name, array in gradients.items()}
    if live.optimizer is not None:
        own = {name: found_gradients[gradient_name(name)].copy() for name in weights}
        updated, numbers = _update(live.optimizer, parameters, parameters_from(live.config, own), inputs)
        found |= numbers
        found |= {f"updated.{name}": array for name, array in _record(updated, ids).items()}
    return found


def _record(parameters: Parameters, ids: tuple[int, ...]) -> Arrays:
    found: Arrays = {}
    loss_and_gradients(parameters, [ids[:-1]], [ids[1:]], record=keep_in(found))
    predict(parameters, [ids[:-1]], record=keep_in(found))
    return without_batches(found)


def _update(
    optimizer: Optimizer, parameters: Parameters, gradients: Parameters, inputs: Arrays
) -> tuple[Parameters, Arrays]:
    """Return the new weights, and what clipping and AdamW compute on the way."""
    rate, decay, beta1, beta2, epsilon, most = map(float, optimizer)
    number = int(inputs[STEP_NUMBER.name])
    found: Arrays = {f"squares.{name}": np.sum(array**2) for name, array in gradients.items()}
    found["clipping.squares"] = sum(found.values())
    found |= {f"row_squares.{name}": np.sum(g**2, axis=1) for name, g in gradients.items() if g.ndim == 2}
    norm = found["clipping.norm"] = np.array(clip_gradients(gradients, most))
    found |= {"correction.m": np.array(1 - beta1**number), "correction.v": np.array(1 - beta2**number)}
    if most:
        found["clipping.scale"] = 1 / np.maximum(1, (norm + 1e-6) / most)
        found |= {f"clipped.{name}": array.copy() for name, array in gradients.items()}
    before = {name: array.copy() for name, array in parameters.items()}
    m, v = (
        parameters_from(parameters.config, {name: inputs[f"before.{moment}.{name}"].copy() for name in before})
        for moment in "mv"
    )
    updated = parameters_from(parameters.config, {name: array.copy() for name, array in before.items()})
    numbers = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": decay}
    adamw_step(updated, gradients, AdamWState(m, v), number, rate, **numbers)
    for name, weight in before.items():
        corrected_m, corrected_v = m[name] / found["correction.m"], v[name] / found["correction.v"]
        found |= {f"m.{name}": m[name], f"v.{name}": v[name]}
        found |= {f"corrected_m.{name}": corrected_m, f"corrected_v.{name}": corrected_v}
        found[f"step.{name}"] = rate * corrected_m / (np.sqrt(corrected_v) + epsilon)
        if weight.ndim == 2:
            found[f"decayed.{name}"] = weight - rate * decay * weight
        found |= {f"updated.{name}": updated[name].copy(), f"change.{name}": updated[name] - weight}
    return updated, found
