"""Loss, gradients and predictions for every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from numpy_gpt.bigram import BigramCache, bigram_backward, bigram_gradients_of, bigram_logits_of
from numpy_gpt.gpt import GPTCache, Masks, gpt_backward, gradients_of, logits_of
from numpy_gpt.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.shared.model.array_checks import check_masks
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.interventions import recorder_of
from numpy_gpt.shared.model.parallel import Turn, parallel_in_turn, parallel_map, product_threads, slices_of
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.token_checks import check_targets, check_tokens, count_targets

ModelCache = GPTCache | BigramCache

LossAndGradients = tuple[Array, Mapping[str, Array] | Array]
"""A loss, and the gradients by name or as one flat array."""
Compute = Callable[[Tokens, Tokens, Masks, float], AbstractContextManager[LossAndGradients]]
"""Computes loss and gradients for tokens, targets, masks, and the number that divides the sum of the losses.

They are valid inside the context.
"""
ComputeLoss = Callable[[Tokens, Tokens, float], Array]
"""Computes the loss alone."""


@ieee
def model_forward(
    parameters: Parameters, tokens: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, ModelCache]:
    """Return the logits (B, T, V) of every next token for tokens (B, T); ``masks`` are only for a GPT with dropout.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the tokens are not integers in [0, V), T > block_size, or the masks do not fit the model.
    """
    tokens = check_tokens(tokens, check_parameters(parameters).config)
    masks = _check_masks(parameters, tokens, masks)
    return _logits_of(parameters, tokens, masks, recorder_of(record, parameters.config))


def model_backward(dlogits: Array, cache: ModelCache, record: Record = ignore) -> dict[str, Array]:
    """Return the gradient of every parameter by name for dlogits (B, T, V).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.

    Raises
    ------
    UserError
        If ``cache`` does not come from model_forward, or dlogits differ from its logits in shape or dtype.
    """
    if isinstance(cache, BigramCache):
        return bigram_backward(dlogits, cache, record)
    return gpt_backward(dlogits, cache, record)


@ieee
def loss_and_gradients(
    parameters: Parameters, tokens: Any, targets: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, Parameters]:
    """Return the mean loss in nats per token, a NumPy scalar, and the gradient of every parameter.

    Shapes: tokens and targets (B, T). A target of −100 or −1 does not count: the mean is over the others.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, T > block_size, the masks do not fit, or
        no target counts.
    """
    tokens, targets = _check_pair(parameters, tokens, targets)
    masks = _check_masks(parameters, tokens, masks)
    record = recorder_of(record, parameters.config)
    loss, gradients = loss_and_gradients_of(parameters, tokens, targets, masks, count_targets(targets), record)
    return loss, parameters.empty_like().copy_from(gradients)


@ieee
def sliced_loss_and_gradients(
    parameters: Parameters,
    tokens: Any,
    targets: Any,
    masks: Masks,
    out: Parameters,
    record: Record = ignore,
    count: float | None = None,
    compute: Compute | None = None,
) -> tuple[Array, Parameters]:
    """Return the same as ``loss_and_gradients``, with the gradients in ``out``, computed in slices of the batch.

    The slices' results are added in order, whichever finishes first. With a ``record`` there is only one slice. The
    sum of the losses is divided by ``count``, by default the number of targets that count. Without a ``record``,
    another function can compute the slices: ``compute``.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, T > block_size, the masks do not fit, or
        no target counts.
    """
    tokens, targets = _check_pair(parameters, tokens, targets)
    _check_masks(parameters, tokens, masks)
    record, positions = recorder_of(record, parameters.config), count or count_targets(targets)
    if record is not ignore or compute is None:
        compute = _plainly(parameters, record)
    slices = _slices(parameters, tokens) if record is ignore else ()
    if len(slices) < 2:
        with product_threads(parameters.config, tokens.size), compute(tokens, targets, masks, positions) as result:
            return result[0], out.copy_from(result[1])
    losses: list[Array] = []

    @ieee  # each thread has its own settings
    def add(rows: slice, turn: Turn) -> None:
        part = {name: mask[rows] for name, mask in masks.items()}
        with compute(tokens[rows], targets[rows], part, positions) as (loss, gradients), turn():
            if losses:
                out.add(gradients)
            else:
                out.copy_from(gradients)
            losses.append(loss.copy())

    parallel_in_turn(add, slices)
    return sum(losses[1:], start=losses[0]), out


@ieee
def loss_of(parameters: Parameters, tokens: Any, targets: Any) -> Array:
    """Return the mean loss in nats per token without gradients; the arguments and errors are the same."""
    tokens, targets = _check_pair(parameters, tokens, targets)
    return loss_of_checked(parameters, tokens, targets, count_targets(targets))


@ieee
def sliced_loss(parameters: Parameters, tokens: Any, targets: Any, compute: ComputeLoss | None = None) -> Array:
    """Return the same as ``loss_of``, computed in slices of the batch that are added in order.

    Another function can compute the slices: ``compute``.
    """
    tokens, targets = _check_pair(parameters, tokens, targets)
    count, loss_of_slice = count_targets(targets), compute or partial(loss_of_checked, parameters)

    @ieee  # each thread has its own settings
    def loss(rows: slice) -> Array:
        return loss_of_slice(tokens[rows], targets[rows], count)

    slices = _slices(parameters, tokens)
    if len(slices) < 2:
        with product_threads(parameters.config, tokens.size):
            return loss_of_slice(tokens, targets, count)
    total, *others = parallel_map(loss, slices)
    return sum(others, start=total)


@ieee
def predict(parameters: Parameters, tokens: Any, record: Record = ignore) -> Array:
    """Return the probability of every next token (B, T, V) for tokens (B, T).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the tokens are not integers in [0, V), or T > block_size.
    """
    config = check_parameters(parameters).config
    record = recorder_of(record, config)
    logits = _forward_logits(parameters, check_tokens(tokens, config), record)
    probabilities, _ = softmax_forward(logits, record)
    record("probabilities", probabilities)
    return probabilities


@ieee
def next_logits(parameters: Parameters, tokens: Tokens) -> Array:
    """Return the logits (B, V) after the last of the tokens (B, T), which must be known to be valid."""
    if isinstance(parameters.config, BigramConfig):
        return bigram_logits_of(parameters, tokens[:, -1:])[0][:, 0]
    logits: Array = logits_of(parameters, tokens, {}, backward=False, last=True)[0][:, 0]
    return logits


# The functions below check nothing: their arguments have already been checked above.


def _logits_of(parameters: Parameters, tokens: Tokens, masks: Masks, record: Record) -> tuple[Array, ModelCache]:
    if isinstance(parameters.config, BigramConfig):
        return bigram_logits_of(parameters, tokens, record)
    return logits_of(parameters, tokens, masks, record)


def _forward_logits(parameters: Parameters, tokens: Tokens, record: Record = ignore) -> Array:
    """Return the logits alone, with memory that does not grow with the number of blocks."""
    if isinstance(parameters.config, BigramConfig):
        return bigram_logits_of(parameters, tokens, record)[0]
    return logits_of(parameters, tokens, {}, record, backward=False)[0]


def _plainly(parameters: Parameters, record: Record) -> Compute:
    def compute(
        tokens: Tokens, targets: Tokens, masks: Masks, count: float
    ) -> AbstractContextManager[tuple[Array, dict[str, Array]]]:
        return nullcontext(loss_and_gradients_of(parameters, tokens, targets, masks, count, record))

    return compute


def loss_and_gradients_of(
    parameters: Parameters, tokens: Tokens, targets: Tokens, masks: Masks, count: float, record: Record = ignore
) -> tuple[Array, dict[str, Array]]:
    """Return the loss and the gradients of tokens, targets and masks that have been checked.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    logits, cache = _logits_of(parameters, tokens, masks, record)
    loss, loss_cache = cross_entropy_forward(logits, targets, record, count)
    dlogits = cross_entropy_backward(loss_cache)
    if isinstance(cache, BigramCache):
        return loss, bigram_gradients_of(dlogits, cache, record)
    return loss, gradients_of(dlogits, cache, record)


def loss_of_checked(parameters: Parameters, tokens: Tokens, targets: Tokens, count: float) -> Array:
    """Return the loss of tokens and targets that have been checked, divided by ``count``."""
    return cross_entropy_forward(_forward_logits(parameters, tokens), targets, ignore, count)[0]


def _slices(parameters: Parameters, tokens: Tokens) -> tuple[slice, ...]:
    batch, time = tokens.shape
    return slices_of(parameters.config, batch, time, parameters.flat.itemsize)


def _check_pair(parameters: Parameters, tokens: Any, targets: Any) -> tuple[Tokens, Tokens]:
    tokens = check_tokens(tokens, check_parameters(parameters).config)
    return tokens, check_targets(targets, tokens, parameters.config)


def _check_masks(parameters: Parameters, tokens: Tokens, masks: Masks | None) -> Masks:
    masks = {} if masks is None else masks
    batch, time = tokens.shape
    check_masks(masks, parameters.config, batch, time, parameters.flat.dtype)
    return masks
