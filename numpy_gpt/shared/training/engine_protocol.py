"""What a twin must do to be trained, evaluated and sampled from; arrays are NumPy's on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.process_group import ProcessGroup
from numpy_gpt.shared.training.recipe import Recipe

Moments = Sequence[Mapping[str, Array]]
"""AdamW's m and v, each by parameter name."""


class StepResult(NamedTuple):
    """The batch's mean loss in nats per token, and the gradient's global norm before clipping."""

    loss: float
    gradient_norm: float


class Engine(Protocol):
    """A model in training or in use. Axis letters: B batch, T time, V vocabulary."""

    recipe: Recipe
    team: ProcessGroup
    peak_flops: float | None
    """Operations a second that the card can do at most, NaN where that is unknown; None for a processor."""
    evaluation_tokens: int
    """How many tokens are evaluated at once."""

    def training_step(self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float) -> StepResult:
        """Take a step on this very batch, (A·B, T): A = gradient_accumulation_steps batches one after another."""

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets of the batches, without dropout."""

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a run needs to go on beside weights and moments, as plain values, or None for nothing."""

    def begin(self, tokens: Tokens) -> None:
        """Take in the training text (n,), from which every step draws its batches."""

    def take_step(self, step: int, learning_rate: float) -> StepResult | None:
        """Take the step counted from 0; leave the parameters alone if the loss or gradient is not finite.

        None means that the step is under way: ``latest`` waits for it.
        """

    def latest(self) -> tuple[int, StepResult]:
        """Return the result of the first step that was not finite, if there was one, or else of the last step."""

    def first_not_finite(self, step: int) -> str | None:
        """Return the name of the first array that is not finite when this step is computed, or None."""

    def peak_memory(self) -> int | None:
        """Return the most bytes that were in use, or None where that is unknown."""

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: (B, T)."""

    def predict(self, tokens: Any) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T)."""

    def values(self) -> Mapping[str, Array]:
        """Return the parameters by name that the model is used with: where they are averaged, their averages."""

    def trained(self) -> Mapping[str, Array] | None:
        """Return the parameters that are trained, where ``values`` are their averages; otherwise None."""

    def moments(self) -> Moments:
        """Return AdamW's m and v."""

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
