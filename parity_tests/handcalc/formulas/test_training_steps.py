"""Several updates in a row: in 34-digit arithmetic each is numpy_gpt's AdamW in float64, its moments carried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handcalc.formulas.adamw import MOMENTS
from handcalc.formulas.step import UPDATE
from handcalc.tracing.trace import Trace, take_step
from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.names import gradient_name

TOLERANCE = 1e-12
STEPS = 3
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"bias": True, "n_layer": 2, "activation": "relu"},
    {"tie_weights": False, "grad_clip": "0"},
    {"norm": "rms_norm", "tie_weights": False, "activation": "relu"},
    {"kind": "bigram"},
)

Train = Callable[..., tuple[Trace, dict[str, Any]]]


def tensor(trace: Trace, name: str) -> Any:
    """Return the calculator's numbers as float64, flat."""
    return np.array([float(value) for value in trace.numbers[name].values()])


def farthest(trace: Trace, prefix: str, exact: Parameters) -> float:
    """Return the largest distance between the calculator's tensors ``prefix.…`` and those in float64, relatively."""
    return max(
        float(np.max(np.abs(tensor(trace, f"{prefix}.{name}") - array.ravel())) / np.max(np.abs(array)))
        for name, array in exact.items()
    )


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_equals_numpy(changes: dict[str, Any], train_random: Train) -> None:
    trace, arrays = train_random((1, 0, 2, 0), 34, seed=3, **changes)
    config, numbers = trace.plan.config, trace.plan.optimizer
    assert numbers is not None
    parameters = parameters_from(config, arrays)
    state = adamw_state(parameters)
    losses = []
    for step in range(1, STEPS + 1):
        assert trace.plan.number == step
        losses.append(loss_and_gradients(parameters, [trace.plan.tokens], [trace.plan.targets])[0])
        assert abs(tensor(trace, "loss")[0] - losses[-1]) < 1e-9
        own = {name: tensor(trace, gradient_name(name)).reshape(shape) for name, shape in _shapes(trace).items()}
        gradients = parameters_from(config, own)  # AdamW would amplify the noise of gradients that are nearly 0
        clip_gradients(gradients, float(numbers.grad_clip))
        adamw_step(
            parameters,
            gradients,
            state,
            step,
            float(numbers.learning_rate),
            beta1=float(numbers.beta1),
            beta2=float(numbers.beta2),
            epsilon=float(numbers.adam_epsilon),
            weight_decay=float(numbers.weight_decay),
        )
        for prefix, exact in (("m", state.m), ("v", state.v), ("updated", parameters)):
            assert farthest(trace, prefix, exact) < TOLERANCE, (step, prefix)
        trace = take_step(trace)
    assert losses == sorted(losses, reverse=True)


def _shapes(trace: Trace) -> dict[str, tuple[int, ...]]:
    return trace.plan.weight_shapes


def test_continues_from_printed_numbers(train_shipped: Callable[..., Trace]) -> None:
    first = train_shipped("hello world")
    second = take_step(first)
    for name in first.plan.weight_shapes:
        assert second.numbers[name] == first.numbers[f"updated.{name}"]
        for moment in MOMENTS:
            assert second.numbers[f"before.{moment}.{name}"] == first.numbers[f"{moment}.{name}"]
    assert second.numbers["loss"] == first.numbers["updated.loss"]
    assert second.training is not None and first.training is not None
    assert second.training.loss == first.training.updated_loss
    assert abs(second.training.loss - float(second.numbers["loss"][()])) < 1e-3


def test_later_steps_have_the_same_text(train_shipped: Callable[..., Trace]) -> None:
    second = take_step(train_shipped("hello world"))
    third = take_step(second)
    for one, other in zip(second.plan.steps, third.plan.steps, strict=True):
        assert one._replace(cell=other.cell) == other
    names = [step.name for step in second.plan.steps if step.phase == UPDATE]
    assert names.index("correction.m") + 1 == names.index("correction.v")


def test_trace_without_update_takes_no_step(train_shipped: Callable[..., Trace]) -> None:
    with pytest.raises(ValueError, match="only a trace with an update can take the step"):
        take_step(train_shipped("hello world", update=False))
