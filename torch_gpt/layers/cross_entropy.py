"""Cross-entropy: the mean of −ln p of the actual next tokens, in nats per token."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.token_checks import IGNORED_TARGET
from torch_gpt.layers.softmax import shifted_exponentials


def cross_entropy_forward(
    logits: Tensor, targets: Tensor, record: Record = ignore, count: float | None = None
) -> Tensor:
    """Return the mean of −ln p_target over the positions that count, where ln p = z − max − ln Σ exp(z − max).

    A position counts unless its target is negative; otherwise its loss is 0. The sum of the losses is divided by
    ``count``, by default the number of positions that count.

    It never takes the logarithm of p itself, which may underflow to 0. Shapes: logits (B, T, V), targets (B, T), int64
    below V → loss ().

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    shifted, exponentials, total = shifted_exponentials(logits, record)
    if record is not ignore:  # the loss does not use them
        record("probabilities", exponentials / total.unsqueeze(-1))
    log_probabilities = shifted - total.log().unsqueeze(-1)
    ignored = targets < 0
    losses = -log_probabilities.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # (11.1)
    losses = losses.masked_fill(ignored, 0)
    record("losses", losses)
    loss = losses.sum() / ((~ignored).sum() if count is None else count)  # (11.2)
    record("loss", loss)
    return loss


def cross_entropy_fused(logits: Tensor, targets: Tensor, record: Record = ignore, count: float | None = None) -> Tensor:
    """Return the same with torch's cross_entropy; ``loss`` is the only activation, and −100 is the ignored target.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    rows, ids = logits.flatten(0, 1), targets.flatten()
    if count is None:
        loss = functional.cross_entropy(rows, ids, ignore_index=IGNORED_TARGET)
    else:
        loss = functional.cross_entropy(rows, ids, ignore_index=IGNORED_TARGET, reduction="sum") / count
    record("loss", loss)
    return loss
