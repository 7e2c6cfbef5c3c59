"""Dropout with a given mask: both twins drop the same values, because neither draws them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def dropout_forward(x: Tensor, mask: Tensor | float) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype and holds 0 (dropped) or 1/(1 − rate) (kept).

    In place of a mask a rate may be given: then torch draws one, which is quicker and what no twin can repeat.
    """
    return x * mask if isinstance(mask, Tensor) else functional.dropout(x, mask)
