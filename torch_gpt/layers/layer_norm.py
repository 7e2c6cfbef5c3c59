"""Layer norm: shift and scale each position to mean 0 and variance 1, then by learned parameters (Ba et al. 2016)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore
from torch_gpt.record import use_of


def layer_norm_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float, record: Record = ignore
) -> Tensor:
    """Return y = (x − μ)/√(σ² + ε)·weight + bias, with mean μ and biased variance σ² over the last axis.

    The variance is the mean of the squared deviations from the mean: mean(x²) − μ² would lose digits to cancellation.
    Shapes: x (…, C), weight (C,), bias (C,) or None → y (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    x = use_of(record, "x", x)
    mean = x.mean(dim=-1)  # (4.1)
    record("mean", mean)
    centered = x - mean.unsqueeze(-1)  # (4.2)
    record("centered", centered)
    variance = centered.square().mean(dim=-1)  # (4.3)
    record("variance", variance)
    rstd = 1 / (variance + epsilon).sqrt()  # (4.4)
    record("rstd", rstd)
    normalized = centered * rstd.unsqueeze(-1)  # (4.5)
    record("normalized", normalized)
    out: Tensor = normalized * weight  # (4.6)
    if bias is not None:
        out = out + bias
    out = record("out", out)
    return out


def layer_norm_fused(x: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float, record: Record = ignore) -> Tensor:
    """Return the same with torch's layer_norm; ``out`` is the only activation.

    It multiplies before it subtracts: if all channels are equal, ``out`` is the bias up to rounding, not exactly.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    x = use_of(record, "x", x)
    out: Tensor = functional.layer_norm(x, weight.shape, weight, bias, epsilon)
    out = record("out", out)
    return out
