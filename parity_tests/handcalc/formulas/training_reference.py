"""A training step by numpy_gpt in float64 and by torch_gpt's autograd, under the names of handcalc's steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from handcalc.tracing.trace import Trace
from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE, Shape, activation_shapes, gradient_name
from numpy_gpt.shared.model.record import keep_in
from torch_gpt.model import loss_and_gradients as torch_loss_and_gradients
from torch_gpt.record import keep_in as torch_keep_in

Arrays = dict[str, Any]

SURE = 1e-6


def numpy_step(trace: Trace, arrays: Arrays) -> Arrays:
    """Return every activation, gradient, moment and new weight without batch axes; NaN where a value is uncertain."""
    parameters = parameters_from(trace.plan.config, arrays)
    found = _record_all(parameters, trace)
    _, gradients = loss_and_gradients(parameters, [trace.plan.tokens], [trace.plan.targets])
    found |= {gradient_name(name): array.copy() for name, array in gradients.items()}
    found |= _update(trace, parameters, gradients)
    for name, gradient in gradients_of(found, trace).items():
        # AdamW's first step is the gradient divided by its own size: below this, rounding noise decides its sign.
        found[f"updated.{name}"][np.abs(gradient) < SURE] = np.nan
    return found


def gradients_of(found: Arrays, trace: Trace) -> Arrays:
    """Return the gradients of the parameters among what was found."""
    return {name: found[gradient_name(name)] for name in trace.plan.weight_shapes}


def update_of_own_gradients(trace: Trace, arrays: Arrays) -> Arrays:
    """Return clipping's and AdamW's numbers from the gradients that the trace itself has worked out."""
    own = {
        name: np.array([float(value) for value in trace.numbers[gradient_name(name)].values()]).reshape(shape)
        for name, shape in trace.plan.weight_shapes.items()
    }
    return _update(trace, parameters_from(trace.plan.config, arrays), parameters_from(trace.plan.config, own))


def _update(trace: Trace, parameters: Parameters, gradients: Parameters) -> Arrays:
    """Update ``parameters`` in place and return what clipping and AdamW have computed."""
    numbers = trace.plan.optimizer
    assert numbers is not None
    norm = clip_gradients(gradients, float(numbers.grad_clip))
    found: Arrays = {"clipping.norm": np.array(norm), "clipping.squares": np.array(norm**2)}
    found |= {f"clipped.{name}": array.copy() for name, array in gradients.items()}
    state = adamw_state(parameters)
    adamw_step(
        parameters,
        gradients,
        state,
        1,
        float(numbers.learning_rate),
        beta1=float(numbers.beta1),
        beta2=float(numbers.beta2),
        epsilon=float(numbers.adam_epsilon),
        weight_decay=float(numbers.weight_decay),
    )
    for prefix, values in (("m", state.m), ("v", state.v), ("updated", parameters)):
        found |= {f"{prefix}.{name}": array for name, array in values.items()}
    return found


def second_forward(trace: Trace) -> Arrays:
    """Return the activations of numpy_gpt with the trace's own new weights, as ``updated.…``."""
    arrays = {
        name: np.array([float(value) for value in trace.numbers[f"updated.{name}"].values()]).reshape(shape)
        for name, shape in trace.plan.weight_shapes.items()
    }
    recorded = _record_all(parameters_from(trace.plan.config, arrays), trace)
    return {f"updated.{name}": array for name, array in recorded.items()}


def torch_step(trace: Trace, arrays: Arrays) -> Arrays:
    """Return every activation, and every gradient that autograd computes."""
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    found: Arrays = {}
    record = torch_keep_in(found)
    torch_loss_and_gradients(parameters, trace.plan.config, [trace.plan.tokens], [trace.plan.targets], record=record)
    return without_batches(found)


def _record_all(parameters: Parameters, trace: Trace) -> Arrays:
    found: Arrays = {}
    loss_and_gradients(parameters, [trace.plan.tokens], [trace.plan.targets], record=keep_in(found))
    return without_batches(found)


def shown_shapes(config: ModelConfig, time: int) -> dict[str, Shape]:
    """Return the shape of every activation that a trace shows, for a batch of one text."""
    return {name: shape for name, shape in activation_shapes(config, 1, time).items() if _is_shown(name)}


def without_batches(recorded: Arrays) -> Arrays:
    """Return what a trace shows of what a twin recorded, without batch axes.

    Positions, the loss, and the parts of a tied matrix's gradient have no batch axis.
    """
    return {name: array if name in _WITHOUT_BATCH else array[0] for name, array in recorded.items() if _is_shown(name)}


def _is_shown(name: str) -> bool:
    return not name.endswith(("attn.qkv", "attn.dqkv"))  # a trace shows q, k and v one by one


_WITHOUT_BATCH = {"embedding.position", "loss", EMBEDDING_USE, HEAD_USE}
_WITHOUT_BATCH |= {gradient_name(name) for name in _WITHOUT_BATCH}
