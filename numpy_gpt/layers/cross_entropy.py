"""Cross-entropy: how surprised the model is by the actual next token, in nats per token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.lookup import flat_indices, pick, subtract_at_
from numpy_gpt.layers.softmax import softmax_of_rows
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore, unflattened


class CrossEntropyCache(NamedTuple):
    """What cross_entropy_backward needs.

    ``entries`` are the indices of the targets in the flat logits; ``positions`` is the number of positions averaged.
    """

    probabilities: Array
    entries: Tokens
    positions: int


def cross_entropy_forward(
    logits: Array, targets: Tokens, record: Record = ignore, count: int | None = None
) -> tuple[Array, CrossEntropyCache]:
    """Return the mean over all positions of −ln softmax(logits)[target], a NumPy scalar, in nats per token.

    For a slice of a batch, ``count`` is the number of positions in the whole batch, so that the losses and gradients of
    the slices add up to those of the batch.

    Each loss is ln Σ exp(z − max) + max − z[target] (11.1), not −ln p, which is inf as soon as p underflows.
    Shapes: logits (…, V), targets (…) with ids in [0, V), checked by ``loss_and_gradients`` → loss ().

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    rows, record = logits.reshape(-1, logits.shape[-1]), unflattened(record, *targets.shape)
    probabilities, largest, total = softmax_of_rows(rows, record)
    record("probabilities", probabilities)
    entries = flat_indices(rows, targets)
    losses = np.log(total) + (largest - pick(rows, entries))  # (11.1)
    record("losses", losses)
    count = count or losses.size
    loss = np.add.reduce(losses) / losses.dtype.type(count)  # (11.2)
    record("loss", loss)
    return loss, CrossEntropyCache(probabilities.reshape(logits.shape), entries, count)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Return dlogits (…, V) = (p − onehot(target)) / positions (11.3)."""
    probabilities, entries, positions = cache
    dlogits = subtract_at_(probabilities.copy(), entries, 1)
    dlogits /= positions
    return dlogits
