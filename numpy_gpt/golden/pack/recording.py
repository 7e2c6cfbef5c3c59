"""Recording a pack's steps with numpy_gpt in float64: its own layers, clipping and AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients, clipping_scale
from numpy_gpt.golden.graph import prefix_of
from numpy_gpt.golden.pack.case import Case
from numpy_gpt.golden.pack.contents import settings_of
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.names import gradient_name

Keep = Callable[[str, Any], None]
"""Called with the name and the values of each array the moment they are known; they may be overwritten afterwards."""


def record_case(case: Case, keep: Keep) -> None:
    """Compute all steps of a case, and pass every named array on; none is kept, so memory does not grow with them."""
    parameters = parameters_from(case.config, case.parameters)
    for name, value in settings_of(case.config, case.optimizer, case.learning_rates).items():
        keep(name, value)
    for name, array in parameters.items():
        keep(name, array)
    adamw = {name: value for name, value in case.optimizer.items() if name != "grad_clip"}
    state = adamw_state(parameters)
    for step in range(1, case.steps + 1):
        prefix = prefix_of(step)
        gradients = _record_gradients(case, parameters, step, keep)
        limit = case.optimizer["grad_clip"]
        norm = clip_gradients(gradients, limit)
        keep(f"{prefix}clipping.norm", norm)
        keep(f"{prefix}clipping.scale", clipping_scale(norm, limit))
        _keep_all(keep, f"{prefix}clipped", gradients)
        adamw_step(parameters, gradients, state, step, case.learning_rates[step - 1], **adamw)
        for name, values in (("m", state.m), ("v", state.v), ("updated", parameters)):
            _keep_all(keep, prefix + name, values)


def _record_gradients(case: Case, parameters: Parameters, step: int, keep: Keep) -> Parameters:
    prefix, place = prefix_of(step), step - 1
    tokens, targets, masks = case.tokens[place], case.targets[place], case.masks[place]
    given = {"tokens": tokens, "targets": targets} | {f"mask.{name}": mask for name, mask in masks.items()}
    for name, array in given.items():
        keep(prefix + name, array)

    def record(name: str, array: Any) -> None:
        keep(prefix + name, array)

    _, gradients = loss_and_gradients(parameters, tokens, targets, masks, record)
    for name, gradient in gradients.items():
        keep(prefix + gradient_name(name), gradient)
    return gradients


def _keep_all(keep: Keep, prefix: str, values: Parameters) -> None:
    for name, array in values.items():
        keep(f"{prefix}.{name}", array)
