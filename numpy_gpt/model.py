"""What all kinds of model have in common: loss, gradients and predictions, by the kind that the parameters are of."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_gpt.bigram import BigramCache, bigram_backward, bigram_forward
from numpy_gpt.gpt import GPTCache, Masks, gpt_backward, gpt_forward
from numpy_gpt.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.inputs import check_masks, check_targets, check_tokens
from numpy_gpt.shared.model.parallel import parallel_map, slices_of
from numpy_gpt.shared.model.record import Record, ignore

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
    check_masks(masks or {}, parameters.config, batch, time, logits.dtype)  # it has none: all are unknown
    return logits, cache


def model_backward(dlogits: Array, cache: ModelCache, record: Record = ignore) -> dict[str, Array]:
    """Return the gradient of every parameter by name for dlogits (B, T, V)."""
    if isinstance(cache, BigramCache):
        return bigram_backward(dlogits, cache, record)
    return gpt_backward(dlogits, cache, record)


def loss_and_gradients(
    parameters: Parameters, tokens: Any, targets: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, Parameters]:
    """Return the mean loss in nats per token, a NumPy scalar, and the gradient of every parameter.

    Shapes: tokens and targets (B, T).

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, or T > block_size.
    """
    loss, gradients = _loss_and_gradients(parameters, tokens, targets, masks, record)
    return loss, parameters.empty_like().copied_from(gradients)


def sliced_loss_and_gradients(
    parameters: Parameters, tokens: Tokens, targets: Tokens, masks: Masks, out: Parameters, record: Record = ignore
) -> tuple[Array, Parameters]:
    """Return what ``loss_and_gradients`` does, the gradients in ``out``, computed in slices of the batch.

    Their shares are added in the slices' order, whichever was finished first. A ``record`` sees the batch as a whole.

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, or T > block_size, or masks do not fit.
    """
    batch, time = tokens.shape
    slices = slices_of(parameters.config, batch, time, parameters.flat.itemsize) if record is ignore else ()
    if len(slices) < 2:
        loss, gradients = _loss_and_gradients(parameters, tokens, targets, masks, record)
        return loss, out.copied_from(gradients)

    # Looked at as a whole first: cut to size, arrays of different lengths would seem to fit.
    check_targets(targets, check_tokens(tokens, parameters.config), parameters.config)
    check_masks(masks, parameters.config, batch, time, parameters.flat.dtype)

    def share(rows: slice) -> tuple[Array, dict[str, Array]]:
        part = {name: mask[rows] for name, mask in masks.items()}
        # Each thread has settings of its own. An overflow shows in what is returned.
        with np.errstate(over="ignore", invalid="ignore"):
            return _loss_and_gradients(parameters, tokens[rows], targets[rows], part, ignore, tokens.size)

    shares = parallel_map(share, slices)
    loss, gradients = next(shares)
    out.copied_from(gradients)
    for other_loss, gradients in shares:
        loss = loss + other_loss
        for name, gradient in gradients.items():
            out[name][...] += gradient
    return loss, out


def _loss_and_gradients(
    parameters: Parameters,
    tokens: Any,
    targets: Any,
    masks: Masks | None,
    record: Record,
    count: int | None = None,
) -> tuple[Array, dict[str, Array]]:
    logits, cache = model_forward(parameters, tokens, masks, record)
    targets = check_targets(targets, cache.tokens, parameters.config)
    loss, loss_cache = cross_entropy_forward(logits, targets, record, count)
    return loss, model_backward(cross_entropy_backward(loss_cache), cache, record)


def loss_of(parameters: Parameters, tokens: Any, targets: Any) -> Array:
    """Return the mean loss in nats per token without any gradient; the same arguments and errors."""
    return _loss(parameters, tokens, targets, None)


def sliced_loss(parameters: Parameters, tokens: Tokens, targets: Tokens) -> Array:
    """Return what ``loss_of`` does, computed in slices of the batch, whose shares are added in their order."""
    check_targets(targets, check_tokens(tokens, parameters.config), parameters.config)
    slices = slices_of(parameters.config, tokens.shape[0], tokens.shape[1], parameters.flat.itemsize)

    def share(rows: slice) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # each thread has settings of its own
            return _loss(parameters, tokens[rows], targets[rows], tokens.size)

    total, *others = parallel_map(share, slices)
    for other in others:
        total = total + other
    return total


def _loss(parameters: Parameters, tokens: Any, targets: Any, count: int | None) -> Array:
    logits, cache = model_forward(parameters, tokens)
    targets = check_targets(targets, cache.tokens, parameters.config)
    return cross_entropy_forward(logits, targets, ignore, count)[0]


def predict(parameters: Parameters, tokens: Any, record: Record = ignore) -> Array:
    """Return the probability of every next token (B, T, V) for tokens (B, T)."""
    logits, _ = model_forward(parameters, tokens, record=record)
    probabilities, _ = softmax_forward(logits, record)
    record("probabilities", probabilities)
    return probabilities
