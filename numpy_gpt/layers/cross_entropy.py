"""Cross-entropy: how surprised the model is by the token that really came next, in nats per token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.softmax import softmax_with_sum
from numpy_gpt.shared.arrays import Array, Tokens
from numpy_gpt.shared.record import Record, ignore


class CrossEntropyCache(NamedTuple):
    """What cross_entropy_backward needs."""

    probabilities: Array
    targets: Tokens


def cross_entropy_forward(logits: Array, targets: Tokens, record: Record = ignore) -> tuple[Array, CrossEntropyCache]:
    """Return the mean over all positions of −ln softmax(logits)[target], a 0-d array, in nats per token.

    Each loss is ln Σexp(z − max) + max − z[target] (11.1), not −ln p, which is inf as soon as p underflows.
    Shapes: logits (B, T, V), targets (B, T) with ids in [0, V), checked by ``loss_and_gradients`` → loss ().
    """
    probabilities, largest, total = softmax_with_sum(logits, record)
    record("probabilities", probabilities)
    at_target = np.take_along_axis(logits, targets[..., None], axis=-1)
    losses = (np.log(total) + (largest - at_target))[..., 0]  # (11.1)
    record("losses", losses)
    loss = losses.mean()  # (11.2)
    record("loss", loss)
    return loss, CrossEntropyCache(probabilities, targets)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Return dlogits (B, T, V) = (p − onehot(target)) / (B·T) (11.3)."""
    probabilities, targets = cache
    dlogits = probabilities / targets.size
    at_target = np.take_along_axis(probabilities, targets[..., None], axis=-1) - 1
    np.put_along_axis(dlogits, targets[..., None], at_target / targets.size, axis=-1)
    return dlogits
