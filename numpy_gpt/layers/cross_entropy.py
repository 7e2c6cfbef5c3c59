"""Cross-entropy: how surprised the model is by the actual next token, in nats per token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.kernels.lookup import flat_indices, pick, subtract_at_
from numpy_gpt.layers.softmax import softmax_of_rows
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore, unflattened


class CrossEntropyCache(NamedTuple):
    """What cross_entropy_backward needs.

    ``entries`` are the indices of the targets in the flat logits, ``ignored`` says which positions do not count, or is
    None if all do, and ``positions`` is the number of positions averaged.
    """

    probabilities: Array
    entries: Tokens
    ignored: NDArray[np.bool_] | None
    positions: float


def cross_entropy_forward(
    logits: Array, targets: Tokens, record: Record = ignore, count: float | None = None
) -> tuple[Array, CrossEntropyCache]:
    """Return the mean of −ln softmax(logits)[target] over the positions that count, a NumPy scalar, in nats per token.

    A position counts unless its target is negative; otherwise its loss is 0. For a slice of a batch, ``count`` is the
    number of positions that count in the whole batch, so that the losses and gradients of the slices add up to those
    of the batch.

    Each loss is ln Σ exp(z − max) + max − z[target] (11.1), not −ln p, which is inf as soon as p underflows.
    Shapes: logits (…, V), targets (…) with ids below V, checked by ``loss_and_gradients`` → loss ().

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    rows, record = logits.reshape(-1, logits.shape[-1]), unflattened(record, *targets.shape)
    probabilities, largest, total = softmax_of_rows(rows, record)
    record("probabilities", probabilities)
    negative = targets.reshape(-1) < 0
    ignored = negative if negative.any() else None
    entries = flat_indices(rows, targets if ignored is None else np.maximum(targets, 0))  # of an ignored one: any entry
    losses = np.log(total) + (largest - pick(rows, entries))  # (11.1)
    if ignored is not None:
        np.copyto(losses, 0, where=ignored)
    record("losses", losses)
    count = count or losses.size - (0 if ignored is None else int(np.count_nonzero(ignored)))
    loss = np.add.reduce(losses) / losses.dtype.type(count)  # (11.2)
    record("loss", loss)
    return loss, CrossEntropyCache(probabilities.reshape(logits.shape), entries, ignored, count)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Return dlogits (…, V) = (p − onehot(target)) / positions (11.3), and 0 where the target is ignored."""
    probabilities, entries, ignored, positions = cache
    dlogits = subtract_at_(probabilities.copy(), entries, 1)
    if ignored is not None:
        np.copyto(dlogits.reshape(len(ignored), -1), 0, where=ignored[:, None])
    dlogits /= positions
    return dlogits
