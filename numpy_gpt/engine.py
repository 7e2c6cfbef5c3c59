"""The engine that the trainer drives: the mathematics of a training step, evaluation and sampling, in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.adamw import AdamWState, adamw_state, adamw_step, update_ema
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.model import predict, sliced_loss, sliced_loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.sampling import draws
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.engine import Batch, Engine, Moments, check_moments, check_recipe
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import ema_weight


class NumpyEngine(Engine):
    """A model in training: its parameters and AdamW's moments, all float32 or all float64.

    If the recipe has an EMA of the weights, ``values`` are the EMA and ``trained`` the weights in training.

    Raises
    ------
    UserError
        If the recipe's dtype is neither float32 nor float64, or values, moments or trained weights do not fit its
        model.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        trained: Mapping[str, Array] | None = None,
    ) -> None:
        check_recipe(recipe)
        if recipe.training.dtype != recipe.training.weights_dtype:
            raise UserError(f"numpy_gpt computes in float32 or float64, not in {recipe.training.dtype}; use torch_gpt")
        self.recipe = recipe
        self.parameters = parameters_from(recipe.model, values if trained is None else trained)
        has_ema = recipe.training.ema_decay > 0
        self._inference_parameters = parameters_from(recipe.model, values) if has_ema else self.parameters
        self._gradients = self.parameters.zeros_like()  # of the current step
        self._state = adamw_state(self.parameters)
        if moments is not None:
            self._state = AdamWState(*(parameters_from(recipe.model, part) for part in check_moments(moments)))

    def begin(self, tokens: Tokens) -> None:
        """Set the training text (n,), from which every step draws its batches."""
        super().begin(tokens)
        _keep_freed_memory()

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(sliced_loss(self._inference_parameters, inputs, targets))

    def predict(self, tokens: Any, record: Record = ignore) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T), and record every activation."""
        return predict(self._inference_parameters, tokens, record)

    def values(self) -> Mapping[str, Array]:
        """Return the parameters used for inference, by name; not a copy."""
        return self._inference_parameters

    def trained_values(self) -> Mapping[str, Array] | None:
        """Return the parameters in training if ``values`` are their EMA, otherwise None; not a copy."""
        return None if self._inference_parameters is self.parameters else self.parameters

    def moments(self) -> Moments:
        """Return AdamW's m and v by parameter name; not a copy."""
        return self._state

    def _draws(self, prompt: Sequence[int], uniforms: Iterable[float], **choices: Any) -> Iterator[Draw]:
        return draws(self._inference_parameters, prompt, uniforms, **choices)

    def _mean_loss_and_gradients(self, batches: Iterable[Batch], record: Record) -> tuple[float, Parameters]:
        losses: list[float] = []
        with np.errstate(over="ignore", invalid="ignore"):  # reported once, by the returned loss
            for inputs, targets, masks, positions in batches:
                out = self.parameters.empty_like() if losses else self._gradients
                loss, out = sliced_loss_and_gradients(self.parameters, inputs, targets, masks, out, record, positions)
                if losses:
                    self._gradients.flat += out.flat  # the gradient of a mean of losses is the mean of gradients
                losses.append(float(loss))
            if len(losses) > 1:
                self._gradients.flat /= len(losses)
        return sum(losses) / len(losses), self._gradients

    def _recorded_gradients(self, batches: Iterable[Batch], record: Record) -> Parameters:
        return self._mean_loss_and_gradients(batches, record)[1]

    def _clip(self, gradients: Parameters) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # as above
            return clip_gradients(gradients, self.recipe.training.grad_clip)

    def _update(self, gradients: Parameters, step: int, learning_rate: float) -> None:
        training = self.recipe.training
        with np.errstate(over="ignore", invalid="ignore"):  # reported by the next step's loss
            adamw_step(self.parameters, gradients, self._state, step + 1, learning_rate, **training.adamw())
            if self._inference_parameters is not self.parameters:
                update_ema(self._inference_parameters, self.parameters, ema_weight(step + 1, training.ema_decay))


def _keep_freed_memory() -> None:
    """Stop glibc from returning freed memory to the operating system between steps.

    glibc returns free memory beyond twice the size of the largest block ever freed, up to 32 MiB. So one such block is
    freed here; it is never written to, so it costs nothing. With another C library this has no effect.
    """
    np.empty(31 << 20, np.uint8)
