"""Dropout with a given mask: both twins drop the same values, because neither draws them."""

from __future__ import annotations

from torch import Tensor


def dropout_forward(x: Tensor, mask: Tensor) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype and holds 0 (dropped) or 1/(1 − rate) (kept)."""
    return x * mask
