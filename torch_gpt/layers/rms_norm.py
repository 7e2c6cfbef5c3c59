"""RMSNorm: scale each position to a mean square of 1, without shift or weights (Zhang & Sennrich 2019)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore
from torch_gpt.record import use_of


def rms_norm_forward(x: Tensor, epsilon: float, record: Record = ignore) -> Tensor:
    """Return y = x/√(mean(x²) + ε) over the last axis.

    Shapes: x (…, C) → y (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    x = use_of(record, "x", x)
    mean_square = x.square().mean(dim=-1)  # (19.1)
    record("mean_square", mean_square)
    rrms = 1 / (mean_square + epsilon).sqrt()  # (19.2)
    record("rrms", rrms)
    out: Tensor = record("out", x * rrms.unsqueeze(-1))  # (19.3)
    return out


def rms_norm_fused(x: Tensor, epsilon: float, record: Record = ignore) -> Tensor:
    """Return the same with torch's rms_norm; ``out`` is the only activation.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    x = use_of(record, "x", x)
    out: Tensor = record("out", functional.rms_norm(x, x.shape[-1:], None, epsilon))
    return out
