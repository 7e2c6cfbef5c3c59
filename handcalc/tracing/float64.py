"""numpy_gpt's results from the same weights in float64, for comparison with the calculator's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import short_repr
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.adamw import Optimizer
from handcalc.tracing.plan import Plan
from numpy_gpt.model import loss_and_gradients, loss_of, predict
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.record import FirstNotFinite

if TYPE_CHECKING:  # loaded only by an update: start-up time matters
    from numpy_gpt.adamw import AdamWState

Arrays = Mapping[str, Any]
"""The model's parameters, or their gradients: name → float array."""


class Float64Step(NamedTuple):
    """A training step in float64, with AdamW's state after it; the last three fields are None without an update."""

    loss: float
    gradients: Arrays
    updated: Arrays | None
    updated_loss: float | None
    state: AdamWState | None = None

    def __repr__(self) -> str:
        after = "" if self.updated_loss is None else f" -> {self.updated_loss}"
        return short_repr(f"Float64Step: loss {self.loss}{after}")


def float64_parameters(config: ModelConfig, arrays: Arrays) -> Parameters:
    """Return the weights in float64, whatever precision the model was trained in."""
    return parameters_from(config, {name: array.astype("float64", copy=False) for name, array in arrays.items()})


def float64_probabilities(parameters: Parameters, tokens: tuple[int, ...]) -> list[list[float]]:
    """Return the probability of each next word, position by position."""
    probabilities: list[list[float]] = predict(parameters, [tokens])[0].tolist()
    return probabilities


def float64_training(parameters: Parameters, plan: Plan, state: AdamWState | None = None) -> Float64Step:
    """Return loss, gradients, new weights and new state; ``parameters`` and ``state`` do not change.

    ``state`` is AdamW's before the step, None before the first one.

    Raises
    ------
    UserError
        If the update, or the loss after it, leaves the range of float64, which is smaller than the calculator's.
    """
    loss, gradients = loss_and_gradients(parameters, [plan.tokens], [plan.targets])
    if plan.optimizer is None:
        return Float64Step(float(loss), gradients, None, None)
    updated, state = _update(parameters, gradients, state, plan.optimizer, plan.number)
    watch = FirstNotFinite(updated)
    # A variance that overflows divides by infinity: the loss is then finite, but wrong.
    predict(updated, [plan.tokens], record=watch.record)
    if watch.name is not None:
        raise UserError(
            "numbers must stay in the range of float64, for the comparison, and after an update at learning rate "
            f"{format_number(plan.optimizer.learning_rate)} they do not ({watch.name} overflows); try a lower "
            "learning_rate"
        )
    updated_loss = float(loss_of(updated, [plan.tokens], [plan.targets]))
    return Float64Step(float(loss), gradients, updated, updated_loss, state)


def _update(
    parameters: Parameters, gradients: Parameters, state: AdamWState | None, numbers: Optimizer, step: int
) -> tuple[Parameters, AdamWState]:
    from numpy_gpt.adamw import AdamWState, adamw_state, adamw_step
    from numpy_gpt.clipping import clip_gradients

    updated, clipped = _copy(parameters), _copy(gradients)
    moments = adamw_state(updated) if state is None else AdamWState(_copy(state.m), _copy(state.v))
    clip_gradients(clipped, float(numbers.grad_clip))
    adamw_step(
        updated,
        clipped,
        moments,
        step,
        float(numbers.learning_rate),
        beta1=float(numbers.beta1),
        beta2=float(numbers.beta2),
        epsilon=float(numbers.adam_epsilon),
        weight_decay=float(numbers.weight_decay),
    )
    return updated, moments


def _copy(parameters: Parameters) -> Parameters:
    return Parameters(parameters.config, parameters.flat.copy())
