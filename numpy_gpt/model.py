"""What all kinds of model have in common: loss, gradients and predictions, by the kind that the parameters are of."""

from __future__ import annotations

from typing import Any

from numpy_gpt.bigram import BigramCache, bigram_backward, bigram_forward
from numpy_gpt.gpt import GPTCache, Masks, gpt_backward, gpt_forward
from numpy_gpt.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.config import BigramConfig
from numpy_gpt.shared.given_masks import check_masks
from numpy_gpt.shared.record import Record, ignore
from numpy_gpt.shared.token_ids import check_targets

ModelCache = GPTCache | BigramCache


def model_forward(
    parameters: Parameters, tokens: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, ModelCache]:
    """Return the logits (B, T, V) of every next token for tokens (B, T); ``masks`` are for a GPT with dropout only.

    Raises
    ------
    UserError
        If the tokens are not integers in [0, V), T > block_size, or masks are given that do not fit the model.
    """
    if not isinstance(parameters.config, BigramConfig):
        return gpt_forward(parameters, tokens, masks, record)
    logits, cache = bigram_forward(parameters, tokens, record)
    batch, time = cache.tokens.shape
    check_masks(masks or {}, parameters.config, batch, time, logits.dtype.name)  # it has none: all are unknown
    return logits, cache


def model_backward(dlogits: Array, cache: ModelCache, record: Record = ignore) -> Parameters:
    """Return the gradient of every parameter for dlogits (B, T, V)."""
    if isinstance(cache, BigramCache):
        return bigram_backward(dlogits, cache, record)
    return gpt_backward(dlogits, cache, record)


def loss_and_gradients(
    parameters: Parameters, tokens: Any, targets: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, Parameters]:
    """Return the mean loss in nats per token, a 0-d array, and the gradient of every parameter.

    Shapes: tokens and targets (B, T).

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, or T > block_size.
    """
    logits, cache = model_forward(parameters, tokens, masks, record)
    targets = check_targets(targets, cache.tokens, parameters.config)
    loss, loss_cache = cross_entropy_forward(logits, targets, record)
    return loss, model_backward(cross_entropy_backward(loss_cache), cache, record)


def loss_of(parameters: Parameters, tokens: Any, targets: Any) -> Array:
    """Return the mean loss in nats per token without any gradient; the same arguments and errors."""
    logits, cache = model_forward(parameters, tokens)
    targets = check_targets(targets, cache.tokens, parameters.config)
    return cross_entropy_forward(logits, targets)[0]


def predict(parameters: Parameters, tokens: Any, record: Record = ignore) -> Array:
    """Return the probability of every next token (B, T, V) for tokens (B, T)."""
    logits, _ = model_forward(parameters, tokens, record=record)
    probabilities, _ = softmax_forward(logits, record)
    record("probabilities", probabilities)
    return probabilities
