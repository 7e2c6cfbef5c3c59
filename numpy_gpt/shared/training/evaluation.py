"""Losses of a model over a text: over all its windows, which is deterministic, and nanoGPT's random estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from gpt_data.texts.corpora import Corpus
from gpt_data.tokens.batches import BatchSampler, evaluation_windows
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.not_finite import Diverged
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.recipe import Recipe

# Streams of random numbers beside those of shared.randomness and the training batches.
_TRAIN_ESTIMATE, VAL_ESTIMATE = 3, 4


class Losses(Protocol):
    """What can be evaluated: anything that tells its mean loss on a batch."""

    evaluation_tokens: int
    """How many tokens are evaluated at once: bounds the memory, whatever the context."""

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss in nats over all targets of the batches, without dropout."""


def evaluate(engine: Losses, tokens: Tokens, block_size: int, stride: int) -> float:
    """Return the mean loss in nats per token over all windows of ``tokens`` at distance ``stride``."""
    rows = max(1, engine.evaluation_tokens // block_size)
    return engine.mean_loss(evaluation_windows(tokens, block_size, stride, rows))


def estimate(engine: Losses, tokens: Tokens, recipe: Recipe, stream: int, step: int) -> float:
    """Return nanoGPT's estimate: the mean loss of ``eval_iters`` random batches, other ones at each step."""
    training = recipe.training
    sampler = BatchSampler(tokens, recipe.model.block_size, training.batch_size, training.seed, stream=stream)
    return engine.mean_loss(sampler.batch(step * training.eval_iters + place) for place in range(training.eval_iters))


def evaluate_run(engine: Losses, recipe: Recipe, corpus: Corpus, step: int, rate: float) -> Evaluation:
    """Return the losses after ``step`` steps: validation over the whole split, training over an excerpt as long.

    Raises
    ------
    Diverged
        If a loss is not finite.
    """
    block_size, stride = recipe.model.block_size, recipe.eval_stride
    # Of the training text as much as there is validation text: enough to compare the two.
    excerpt = corpus.train[: max(len(corpus.val), block_size + 1)]
    losses = [evaluate(engine, tokens, block_size, stride) for tokens in (excerpt, corpus.val)]
    estimates = estimated(engine, recipe, corpus, step)
    for name, loss in zip(("training", "validation"), losses, strict=True):
        if not math.isfinite(loss):
            raise Diverged(
                f"the {name} loss must be finite, but is {loss} after step {step}; no checkpoint was written of it; "
                "train anew with a lower --learning_rate, or a higher --warmup_iters"
            )
    train_loss, val_loss = losses
    return Evaluation(step, train_loss, val_loss, rate, *estimates)


def estimated(engine: Losses, recipe: Recipe, corpus: Corpus, step: int) -> tuple[float | None, float | None]:
    """Return nanoGPT's estimates of the training and the validation loss, or None where ``eval_iters`` is 0."""
    if recipe.training.eval_iters == 0:
        return None, None
    return (
        estimate(engine, corpus.train, recipe, _TRAIN_ESTIMATE, step),
        estimate(engine, corpus.val, recipe, VAL_ESTIMATE, step),
    )


def mean_over(loss: Callable[[Tokens, Tokens], float], batches: Iterable[tuple[Tokens, Tokens]]) -> float:
    """Return the mean of the batches' losses, each weighed by its number of targets."""
    total, count = 0.0, 0
    for inputs, targets in batches:
        total += loss(inputs, targets) * targets.size
        count += targets.size
    return total / count
