"""What the trainer drives: one training step and evaluation, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from numpy_gpt.adamw import AdamWState, adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.gpt import loss_and_gradients, loss_of
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.sampling import generate
from numpy_gpt.shared.arrays import Array, Tokens
from numpy_gpt.shared.presets import Recipe
from numpy_gpt.shared.randomness import dropout_masks, sampling_uniforms
from numpy_gpt.shared.record import Record, ignore
from numpy_gpt.shared.trainer import Moments, StepResult


class NumpyEngine:
    """A model in training: its parameters and AdamW's moments, all float32 or all float64."""

    def __init__(self, recipe: Recipe, values: Mapping[str, Array], moments: Moments | None = None) -> None:
        self.recipe = recipe
        self.parameters = parameters_from(recipe.model, values)
        self._state = adamw_state(self.parameters)
        if moments is not None:
            self._state = AdamWState(*(parameters_from(recipe.model, part) for part in moments))

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step, counted from 0: forward, backward, clipping, AdamW. Shapes: inputs, targets (B, T).

        A loss or a gradient that is not finite is returned as it is, and the parameters stay as they were.
        """
        training = self.recipe.training
        batch, time = inputs.shape
        masks = dropout_masks(self.recipe.model, batch, time, training.seed, step, training.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported once, by what is returned
            loss, gradients = loss_and_gradients(self.parameters, inputs, targets, masks, record)
            norm = clip_gradients(gradients, training.grad_clip)
        if math.isfinite(loss) and math.isfinite(norm):
            for name, gradient in gradients.items():
                record(f"clipped.{name}", gradient)
            self._update(gradients, step, learning_rate)
        return StepResult(float(loss), norm)

    def _update(self, gradients: Parameters, step: int, learning_rate: float) -> None:
        training = self.recipe.training
        adamw_step(
            self.parameters,
            gradients,
            self._state,
            step + 1,
            learning_rate,
            beta1=training.beta1,
            beta2=training.beta2,
            epsilon=training.adam_epsilon,
            weight_decay=training.weight_decay,
        )

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(loss_of(self.parameters, inputs, targets))

    def values(self) -> Mapping[str, Array]:
        """Return the parameters by name, as they stand."""
        return self.parameters

    def moments(self) -> Moments:
        """Return AdamW's m and v by parameter name, as they stand."""
        return self._state

    def sample(self, prompt: list[int], count: int) -> list[int]:
        """Return ``count`` tokens that follow the prompt, drawn at temperature 1 with the recipe's seed."""
        return list(generate(self.parameters, prompt, sampling_uniforms(self.recipe.training.seed, count)))
