"""Softmax over the last axis."""

from __future__ import annotations

import torch
from torch import Tensor

from numpy_gpt.shared.model.record import Record, ignore, scoped


def softmax_forward(x: Tensor, record: Record = ignore) -> Tensor:
    """Return p = exp(x)/Σ exp(x) over the last axis, computed as exp(x − max)/Σ exp(x − max).

    An entry of −inf gets exactly 0; a row that is all −inf has no softmax and gives NaN.
    Shapes: x (…, N) → p (…, N).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    _, exponentials, total = shifted_exponentials(x, record)
    return exponentials / total.unsqueeze(-1)  # (6.4)


def shifted_exponentials(x: Tensor, record: Record = ignore) -> tuple[Tensor, Tensor, Tensor]:
    """Return x − max (…, N), its exponentials (…, N) and their sum (…,): the parts of softmax and of its logarithm.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    record = scoped(record, "softmax")
    # The result does not depend on the number subtracted, so autograd may treat the maximum as a constant.
    largest = x.detach().amax(dim=-1)  # (6.1)
    record("max", largest)
    shifted = x - largest.unsqueeze(-1)
    exponentials = shifted.exp()  # (6.2)
    record("exponentials", exponentials)
    total = exponentials.sum(dim=-1)  # (6.3)
    record("sum", total)
    return shifted, exponentials, total


def softmax_fused(x: Tensor) -> Tensor:
    """Return the same with torch's softmax."""
    return torch.softmax(x, dim=-1)
