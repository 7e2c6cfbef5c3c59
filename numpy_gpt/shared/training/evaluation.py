"""A model's losses on a text: over all its windows, which is deterministic, and nanoGPT's random estimate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

from gpt_data.texts.corpora import Corpus
from gpt_data.tokens.batches import BatchSampler, evaluation_windows
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.stopping import Diverged

# Streams of random numbers, in addition to those of randomness.py and the training batches.
_TRAIN_ESTIMATE, VAL_ESTIMATE = 3, 4


class Evaluable(Protocol):
    """Anything that can be evaluated."""

    @property
    def evaluation_tokens(self) -> int:
        """How many tokens are evaluated at once; this limits memory for any block_size."""

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss in nats over all targets of the batches, without dropout."""


def evaluate(engine: Evaluable, tokens: Tokens, block_size: int, stride: int) -> float:
    """Return the mean loss in nats per token over all windows of ``tokens``, one every ``stride`` tokens."""
    rows = max(1, engine.evaluation_tokens // block_size)
    return engine.mean_loss(evaluation_windows(tokens, block_size, stride, rows))


def estimate(engine: Evaluable, tokens: Tokens, recipe: Recipe, stream: int, step: int) -> float:
    """Return nanoGPT's estimate: the mean loss of ``eval_iters`` random batches, which differ from step to step."""
    training = recipe.training
    sampler = BatchSampler(tokens, recipe.model.block_size, training.batch_size, training.seed, stream=stream)
    return engine.mean_loss(sampler.batch(step * training.eval_iters + place) for place in range(training.eval_iters))


def evaluate_run(engine: Evaluable, recipe: Recipe, corpus: Corpus, step: int, rate: float) -> Evaluation:
    """Return the losses after ``step`` steps: over the whole validation split and an equally long training excerpt.

    Raises
    ------
    Diverged
        If a loss is not finite.
    """
    block_size, stride = recipe.model.block_size, recipe.eval_stride
    excerpt = corpus.train[: max(len(corpus.val), block_size + 1)]
    losses = [evaluate(engine, tokens, block_size, stride) for tokens in (excerpt, corpus.val)]
    estimates = loss_estimates(engine, recipe, corpus, step)
    names = ("training loss", "validation loss", "estimate of the training loss", "estimate of the validation loss")
    for name, loss in zip(names, (*losses, *estimates), strict=True):
        if loss is not None and not math.isfinite(loss):  # nor could a checkpoint or metrics contain it
            raise Diverged(
                f"the {name} must be finite, but is {loss} after step {step}; no checkpoint of it was written; "
                "train again with a lower learning_rate, or a higher warmup_iters"
            )
    train_loss, val_loss = losses
    return Evaluation(step, train_loss, val_loss, rate, *estimates)


def loss_estimates(engine: Evaluable, recipe: Recipe, corpus: Corpus, step: int) -> tuple[float | None, float | None]:
    """Return nanoGPT's estimates of the training and the validation loss, or (None, None) if ``eval_iters`` is 0."""
    if recipe.training.eval_iters == 0:
        return None, None
    return (
        estimate(engine, corpus.train, recipe, _TRAIN_ESTIMATE, step),
        estimate(engine, corpus.val, recipe, VAL_ESTIMATE, step),
    )
