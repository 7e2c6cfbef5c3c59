"""Cross-entropy: the mean of −ln p of the actual next tokens, in nats per token."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore
from torch_gpt.layers.softmax import shifted_exponentials


def cross_entropy_forward(logits: Tensor, targets: Tensor, record: Record = ignore) -> Tensor:
    """Return the mean over all positions of −ln p_target, where ln p = z − max − ln Σ exp(z − max).

    It never takes the logarithm of p itself, which may underflow to 0. Shapes: logits (B, T, V), targets (B, T), int64
    in [0, V) → loss ().

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    shifted, exponentials, total = shifted_exponentials(logits, record)
    if record is not ignore:  # the loss does not use them
        record("probabilities", exponentials / total.unsqueeze(-1))
    log_probabilities = shifted - total.log().unsqueeze(-1)
    losses = -log_probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # (11.1)
    record("losses", losses)
    loss = losses.mean()  # (11.2)
    record("loss", loss)
    return loss


def cross_entropy_fused(logits: Tensor, targets: Tensor, record: Record = ignore) -> Tensor:
    """Return the same with torch's cross_entropy; ``loss`` is the only activation.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    record("loss", loss)
    return loss
