"""The engine: everything the trainer and the commands need from a model, and the base class of both twins' engines.

The base class contains everything that is not mathematics: drawing batches, splitting them for gradient accumulation,
taking a step, and averaging losses. The twins supply the loss and its gradients, clipping, the update, and sampling.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.batches import BatchSampler
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.record import FirstNotFinite, Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.model.token_checks import count_targets, require_targets
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup
from numpy_gpt.shared.training.randomness import dropout_masks
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.throughput import peak_memory_of_process

_OPERATIONS_PER_LOGIT = 1000  # of a matrix product: softmax reads and writes each logit several times

Moments = Sequence[Mapping[str, Array]]
"""AdamW's m and v, each by parameter name."""


def check_recipe(recipe: Any) -> None:
    """Check that an engine is given a Recipe.

    Raises
    ------
    UserError
        If it is something else.
    """
    if not isinstance(recipe, Recipe):
        raise UserError(f"recipe must be a Recipe, not {describe(recipe)}")


def check_moments(moments: Any) -> Moments:
    """Return AdamW's moments, of which there are two.

    Raises
    ------
    UserError
        If they are not a pair.
    """
    if not isinstance(moments, Sequence) or len(moments) != 2:
        raise UserError(f"moments must be a pair, m and v by parameter name, not {describe(moments)}")
    return moments


class StepResult(NamedTuple):
    """The mean loss of a step's batches in nats per token, and the gradient's global norm before clipping."""

    loss: float
    gradient_norm: float


class Batch(NamedTuple):
    """Inputs and targets (B, T), the dropout masks by name, and the number that divides the sum of the losses.

    If all targets count, ``positions`` is None: that number is B·T. Otherwise it makes the mean of the batches' losses
    the mean over all targets that count, however they are spread over the batches.
    """

    inputs: Tokens
    targets: Tokens
    masks: Mapping[str, Array]
    positions: float | None = None


class EvaluationLimit(NamedTuple):
    """How much of a text is evaluated at once: many tokens of a small model, and few of a large one.

    Between two batches an evaluation can be interrupted, so ``operations`` are at most about a second's.
    """

    tokens: int
    operations: float

    def tokens_of(self, model: ModelConfig) -> int:
        """Return the number of tokens: at most ``tokens``, and at least one."""
        per_token = 2.0 * parameter_count(model) + _OPERATIONS_PER_LOGIT * model.vocab_size
        return max(1, min(self.tokens, int(self.operations / per_token)))


class Engine(ABC):
    """A model for training and inference, with NumPy arrays in both twins. Axis letters: B batch, T time, V vocabulary.

    With an EMA of the weights (``ema_decay``), the model is evaluated and sampled with the EMA, while training
    continues with the weights themselves.
    """

    recipe: Recipe
    group: ProcessGroup = SINGLE_PROCESS
    peak_flops: float | None = None
    """Peak operations per second of the GPU, NaN if unknown; None on a CPU."""
    prints: bool = False
    """Whether it writes to standard output while training, which a moving bar would disturb."""
    evaluation_limit: EvaluationLimit = EvaluationLimit(2048, 1e11)
    """How much is evaluated at once."""

    @property
    def execution(self) -> str | None:
        """How the last step was computed, if the engine has several ways that give the same numbers."""
        return None

    def begin(self, tokens: Tokens) -> None:
        """Set the training text (n,), from which every step draws its batches."""
        training = self.recipe.training
        size = training.batch_size * training.gradient_accumulation_steps
        self._sampler = BatchSampler(tokens, self.recipe.model.block_size, size, training.seed)

    def take_step(self, step: int, learning_rate: float) -> StepResult | None:
        """Take one step, counted from 0, on batches that it draws itself, as ``training_step`` does.

        None means that the step is still running; ``latest`` waits for it.
        """
        self._latest = step, self.training_step(*self._sampler.batch(step), step, learning_rate)
        return self._latest[1]

    def latest(self) -> tuple[int, StepResult]:
        """Return the first step with a non-finite result, or the last step if there was none, and its result."""
        return self._latest

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step, counted from 0: forward, backward, clipping, AdamW.

        Shapes: inputs, targets (A·B, T), the A = gradient_accumulation_steps batches one after another. A target of
        −100 or −1 does not count: loss and gradient are means over the others. If the loss or the gradient is not
        finite, it is returned unchanged, and the parameters are not updated.

        Raises
        ------
        UserError
            If the ids are not the model's, or no target counts.
        """
        loss, gradients = self._mean_loss_and_gradients(self._batches(inputs, targets, step), record)
        norm = self._clip(gradients)
        result = StepResult(float(loss), float(norm))
        if math.isfinite(result.loss) and math.isfinite(result.gradient_norm):
            if record is not ignore:
                for name, gradient in gradients.items():
                    record(f"clipped.{name}", gradient)
            self._update(gradients, step, learning_rate)
        return result

    def first_not_finite(self, step: int) -> str | None:
        """Recompute this step, and return the name of the first non-finite array, or None."""
        watch = FirstNotFinite(self.trained_values() or self.values())
        batches = self._batches(*self._sampler.batch(step), step)
        return watch.name_among(self._recorded_gradients(batches, watch.record))

    @property
    def evaluation_tokens(self) -> int:
        """How many tokens are evaluated at once."""
        return self.evaluation_limit.tokens_of(self.recipe.model)

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets of the batches that count, without dropout.

        Raises
        ------
        UserError
            If no target counts.
        """
        total, count = 0.0, 0
        for inputs, targets in batches:
            if positions := int(np.count_nonzero(targets >= 0)):
                total += self.loss(inputs, targets) * positions
                count += positions
        return total / require_targets(count)

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a resumed run needs in addition to weights and moments, as plain values; None if nothing."""
        return None

    def peak_memory(self) -> int | None:
        """Return the peak memory in bytes, or None if it is unknown."""
        return peak_memory_of_process()

    @abstractmethod
    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T).

        A target of −100 or −1 does not count.
        """

    @abstractmethod
    def predict(self, tokens: Any, record: Record = ignore) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T), without dropout.

        ``record`` receives every named activation as an array, such as ``h.0.attn.weights`` (B, H, T, T). It may change
        them, and may be what ``intervene`` returns.
        """

    def draws(
        self,
        prompt: Sequence[int],
        uniforms: Iterable[float],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        cache: bool = True,
    ) -> Iterator[Draw]:
        """Yield a token, and the probabilities it was drawn from, for each of the uniform numbers."""
        return self._draws(prompt, uniforms, temperature=temperature, top_k=top_k, top_p=top_p, cache=cache)

    @abstractmethod
    def values(self) -> Mapping[str, Array]:
        """Return the parameters used for inference, by name: their EMA if the recipe has one."""

    @abstractmethod
    def trained_values(self) -> Mapping[str, Array] | None:
        """Return the parameters in training if ``values`` are their EMA, otherwise None."""

    @abstractmethod
    def moments(self) -> Moments:
        """Return AdamW's m and v."""

    @abstractmethod
    def _draws(self, prompt: Sequence[int], uniforms: Iterable[float], **choices: Any) -> Iterator[Draw]:
        """Yield the draws for the arguments of ``draws``."""

    @abstractmethod
    def _mean_loss_and_gradients(self, batches: Iterable[Batch], record: Record) -> tuple[Any, Any]:
        """Return the mean loss of the batches and its gradients by name."""

    @abstractmethod
    def _recorded_gradients(self, batches: Iterable[Batch], record: Record) -> Mapping[str, Array]:
        """Return the gradients as arrays, after passing every activation and its gradient to ``record`` as arrays."""

    @abstractmethod
    def _clip(self, gradients: Any) -> Any:
        """Clip the gradients in place and return their original global norm."""

    @abstractmethod
    def _update(self, gradients: Any, step: int, learning_rate: float) -> None:
        """Update parameters, moments and EMA in place; ``step`` counts from 0."""

    def _batches(self, inputs: Tokens, targets: Tokens, step: int) -> Iterator[Batch]:
        """Yield the batches whose gradients are accumulated in one step, each with its own dropout masks."""
        model, training = self.recipe.model, self.recipe.training
        parts, counted = training.gradient_accumulation_steps, count_targets(targets)
        positions = None if counted == targets.size else counted / parts
        for part in range(parts):
            rows = slice(part * len(inputs) // parts, (part + 1) * len(inputs) // parts)
            size, time = inputs[rows].shape
            masks = dropout_masks(model, size, time, training.seed, step, training.weights_dtype, part)
            yield Batch(inputs[rows], targets[rows], masks, positions)
