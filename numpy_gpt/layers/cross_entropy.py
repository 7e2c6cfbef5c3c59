"""Cross-entropy: how surprised the model is by the token that really came next, in nats per token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.rows import as_before, as_rows
from numpy_gpt.layers.softmax import softmax_of_rows
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore, unflattened


class CrossEntropyCache(NamedTuple):
    """What cross_entropy_backward needs; ``places`` are those of the targets among the B·T·V entries of the logits.

    ``positions`` is what the mean divides by: forward's ``count`` or, without one, B·T.
    """

    probabilities: Array
    places: Tokens
    positions: int


def cross_entropy_forward(
    logits: Array, targets: Tokens, record: Record = ignore, count: int | None = None
) -> tuple[Array, CrossEntropyCache]:
    """Return the mean over all positions of −ln softmax(logits)[target], a NumPy scalar, in nats per token.

    Where these are a slice of a batch, ``count`` is the number of all the batch's positions, of which the mean is
    taken: the slices' losses and gradients then add up to the batch's.

    Each loss is ln Σexp(z − max) + max − z[target] (11.1), not −ln p, which is inf as soon as p underflows.
    Shapes: logits (B, T, V), targets (B, T) with ids in [0, V), checked by ``loss_and_gradients`` → loss ().
    """
    rows, record_rows = as_rows(logits), unflattened(record, logits)
    probabilities, largest, total = softmax_of_rows(rows, record_rows)
    record_rows("probabilities", probabilities)
    # rows[n, target n] of all n, looked up in the flat array: one index is quicker than two
    places = np.arange(0, rows.size, rows.shape[1]) + targets.reshape(-1)
    losses = np.log(total) + (largest - rows.reshape(-1).take(places))  # (11.1)
    record_rows("losses", losses)
    loss = np.add.reduce(losses) / losses.dtype.type(count or losses.size)  # (11.2)
    record("loss", loss)
    return loss, CrossEntropyCache(as_before(probabilities, logits), places, count or losses.size)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Return dlogits (B, T, V) = (p − onehot(target)) / (B·T) (11.3), or over ``count`` where forward was given one."""
    probabilities, places, positions = cache
    dlogits = probabilities.copy()
    # a view of the copy, in which no place occurs twice
    dlogits.reshape(-1)[places] -= 1
    dlogits /= positions
    return dlogits
