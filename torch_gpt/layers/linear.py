"""A linear layer, y = x w + b, with the weight stored (in, out)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def linear_forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return y = x w + b (2.1).

    Shapes: x (…, I), weight (I, O), bias (O,) or None → y (…, O).
    """
    product = x @ weight
    return product if bias is None else product + bias


def linear_fused(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the same, product and bias in one operation; torch's own layer stores (out, in), hence the transpose."""
    return functional.linear(x, weight.T, bias)
