"""A linear layer, y = x w + b, with the weight stored (in, out)."""

from __future__ import annotations

import torch
from torch import Tensor


def linear_forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return y = x w + b (2.1).

    Shapes: x (…, I), weight (I, O), bias (O,) or None → y (…, O).
    """
    product = x @ weight
    return product if bias is None else product + bias


def linear_fused(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the same with all positions as one matrix, and product and bias in one operation.

    torch's own linear expects the weight as (out, in); given a transposed view, it returns a gradient that must be
    transposed back.
    """
    rows = x.flatten(0, -2)  # (…, I) → (N, I)
    product = rows @ weight if bias is None else torch.addmm(bias, rows, weight)
    return product.view(*x.shape[:-1], -1)
