"""What the trainer drives: one training step and evaluation, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.batches import BatchSampler
from numpy_gpt.adamw import AdamWState, adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.ema import update_ema
from numpy_gpt.model import predict, sliced_loss, sliced_loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.sampling import draws
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.not_finite import FirstNotFinite
from numpy_gpt.shared.model.randomness import dropout_masks
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.ema import ema_weight
from numpy_gpt.shared.training.engine_protocol import Moments, StepResult
from numpy_gpt.shared.training.evaluation import mean_over
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.throughput import peak_memory_of_process


class NumpyEngine:
    """A model in training: its parameters and AdamW's moments, all float32 or all float64.

    Where the recipe averages the weights, ``values`` are the averages, and ``trained`` what training goes on with.
    """

    team: ProcessGroup = SINGLE_PROCESS
    peak_flops: float | None = None
    evaluation_tokens = 2048

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        trained: Mapping[str, Array] | None = None,
    ) -> None:
        if recipe.training.dtype != recipe.training.weights_dtype:
            raise UserError(f"numpy_gpt computes in float32 or float64, not in {recipe.training.dtype}; use torch_gpt")
        self.recipe = recipe
        self.parameters = parameters_from(recipe.model, trained or values)
        averaged = recipe.training.ema_decay > 0
        self._used = parameters_from(recipe.model, values) if averaged else self.parameters
        self._gradients = self.parameters.zeros_like()  # of the step under way
        self._state = adamw_state(self.parameters)
        if moments is not None:
            self._state = AdamWState(*(parameters_from(recipe.model, part) for part in moments))

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step, counted from 0: forward, backward, clipping, AdamW.

        Shapes: inputs, targets (A·B, T), the A = gradient_accumulation_steps batches one after another. A loss or a
        gradient that is not finite is returned as it is, and the parameters stay as they were.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported once, by what is returned
            loss, gradients = self._mean_loss_and_gradients(inputs, targets, step, record)
            norm = clip_gradients(gradients, self.recipe.training.grad_clip)
        if math.isfinite(loss) and math.isfinite(norm):
            if record is not ignore:
                for name, gradient in gradients.items():
                    record(f"clipped.{name}", gradient)
            with np.errstate(over="ignore", invalid="ignore"):  # this one by the next step's loss
                self._update(gradients, step, learning_rate)
        return StepResult(loss, norm)

    def _mean_loss_and_gradients(
        self, inputs: Tokens, targets: Tokens, step: int, record: Record
    ) -> tuple[float, Parameters]:
        training, losses = self.recipe.training, []
        batches = training.gradient_accumulation_steps
        for part in range(batches):
            rows = slice(part * len(inputs) // batches, (part + 1) * len(inputs) // batches)
            size, time = inputs[rows].shape
            masks = dropout_masks(self.recipe.model, size, time, training.seed, step, training.dtype, part)
            out = self._gradients if part == 0 else self.parameters.empty_like()
            loss, out = sliced_loss_and_gradients(self.parameters, inputs[rows], targets[rows], masks, out, record)
            losses.append(float(loss))
            if part > 0:
                self._gradients.flat += out.flat  # the mean loss is a sum over batches: so is its gradient
        if batches > 1:
            self._gradients.flat /= batches
        return sum(losses) / batches, self._gradients

    def begin(self, tokens: Tokens) -> None:
        """Take in the training text (n,), from which every step draws its batches."""
        training = self.recipe.training
        size = training.batch_size * training.gradient_accumulation_steps
        self._batches = BatchSampler(tokens, self.recipe.model.block_size, size, training.seed)
        _keep_freed_memory()

    def take_step(self, step: int, learning_rate: float) -> StepResult:
        """Take the step counted from 0 on its own batches, as ``training_step`` does."""
        self._latest = step, self.training_step(*self._batches.batch(step), step, learning_rate)
        return self._latest[1]

    def latest(self) -> tuple[int, StepResult]:
        """Return the last step and its result."""
        return self._latest

    def first_not_finite(self, step: int) -> str | None:
        """Return the name of the first array that is not finite when this step's gradient is computed, or None."""
        watch = FirstNotFinite(self.parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            _, gradients = self._mean_loss_and_gradients(*self._batches.batch(step), step, watch.record)
        return watch.name_among(gradients)

    def peak_memory(self) -> int | None:
        """Return the most bytes that the process had in memory."""
        return peak_memory_of_process()

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
        if self._used is not self.parameters:
            update_ema(self._used, self.parameters, ema_weight(step + 1, training.ema_decay))

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(sliced_loss(self._used, inputs, targets))

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets of the batches, without dropout."""
        return mean_over(self.loss, batches)

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a run needs to go on beside weights and moments: nothing."""
        return None

    def predict(self, tokens: Any) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T)."""
        return predict(self._used, tokens)

    def values(self) -> Mapping[str, Array]:
        """Return the parameters by name that the model is used with, as they stand."""
        return self._used

    def trained(self) -> Mapping[str, Array] | None:
        """Return the parameters that are trained, where ``values`` are their averages; otherwise None."""
        return None if self._used is self.parameters else self.parameters

    def moments(self) -> Moments:
        """Return AdamW's m and v by parameter name, as they stand."""
        return self._state

    def draws(
        self,
        prompt: Sequence[int],
        uniforms: Iterable[float],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        cache: bool = True,
    ) -> Iterator[Draw]:
        """Yield a token, and the probabilities that it was drawn from, for each of the uniform numbers."""
        return draws(self._used, prompt, uniforms, temperature, top_k, top_p, cache)


def _keep_freed_memory() -> None:
    """Have the C library keep what a step frees for the next one, which otherwise waits for every page of it anew.

    glibc gives memory back to the system beyond twice the largest block that was ever freed, up to 32 MiB. So one such
    block is freed here; nobody writes to it, and so it costs nothing. Elsewhere nothing comes of it.
    """
    np.empty(31 << 20, np.uint8)
