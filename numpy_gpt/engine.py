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
from numpy_gpt.replayed_step import ReplayedStep, wants_replay
from numpy_gpt.sampling import draws
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.engine import Batch, Engine, Moments, check_moments, check_recipe
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import ema_weight


class NumpyEngine(Engine):
    """A model in training: its parameters and AdamW's moments, all float32 or all float64.

    If the recipe has an EMA of the weights, ``values`` are the EMA and ``trained`` the weights in training.

    With ``replay``, by default as the environment variable NUMPY_GPT_REPLAY says or else True, what is computed often
    is written down once and replayed: the same bits, sooner.

    Raises
    ------
    UserError
        If the recipe's dtype is neither float32 nor float64, values, moments or trained weights do not fit its model,
        or the environment variable is neither true nor false.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        trained: Mapping[str, Array] | None = None,
        replay: bool | None = None,
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
        self._replay: ReplayedStep | None = None
        if wants_replay(replay):
            self._replay = ReplayedStep(self.parameters, self._inference_parameters)
        self._was_plain = True  # in the last step

    @property
    def execution(self) -> str:
        """How the last step was computed: ``replay``, ``plain``, or plain with the reason why it will stay so."""
        return "plain" if self._was_plain or self._replay is None else self._replay.training.execution

    def begin(self, tokens: Tokens) -> None:
        """Set the training text (n,), from which every step draws its batches."""
        super().begin(tokens)
        _keep_freed_memory()

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        compute = None if self._replay is None else self._replay.inference.loss
        return float(sliced_loss(self._inference_parameters, inputs, targets, compute))

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
        reading = None if self._replay is None else self._replay.inference.reading
        return draws(self._inference_parameters, prompt, uniforms, **choices, reading=reading)

    def _mean_loss_and_gradients(self, batches: Iterable[Batch], record: Record) -> tuple[float, Parameters]:
        losses: list[float] = []
        compute = self._replay.training.loss_and_gradients if self._replay is not None and record is ignore else None
        for inputs, targets, masks, positions in batches:
            out = self.parameters.empty_like() if losses else self._gradients
            batch = inputs, targets, masks, out, record, positions
            losses.append(float(sliced_loss_and_gradients(self.parameters, *batch, compute)[0]))
            if out is not self._gradients:
                _add(self._gradients, out)
        if len(losses) > 1:
            self._gradients.flat /= len(losses)
        self._was_plain = compute is None
        return sum(losses) / len(losses), self._gradients

    def _recorded_gradients(self, batches: Iterable[Batch], record: Record) -> Parameters:
        return self._mean_loss_and_gradients(batches, record)[1]

    @ieee  # an overflow is reported by the next step's loss
    def _clip(self, gradients: Parameters) -> float:
        return clip_gradients(gradients, self.recipe.training.grad_clip)

    @ieee  # as above
    def _update(self, gradients: Parameters, step: int, learning_rate: float) -> None:
        training = self.recipe.training
        adamw_step(self.parameters, gradients, self._state, step + 1, learning_rate, **training.adamw())
        if self._inference_parameters is not self.parameters:
            update_ema(self._inference_parameters, self.parameters, ema_weight(step + 1, training.ema_decay))


@ieee
def _add(total: Parameters, gradients: Parameters) -> None:
    """Add gradients in place: the gradient of a mean of losses is the mean of gradients."""
    total.flat += gradients.flat


def _keep_freed_memory() -> None:
    """Stop glibc from returning freed memory to the operating system between steps.

    glibc returns free memory beyond twice the size of the largest block ever freed, up to 32 MiB. So one such block is
    freed here; it is never written to, so it costs nothing. With another C library this has no effect.
    """
    np.empty(31 << 20, np.uint8)
