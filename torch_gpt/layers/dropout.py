"""Dropout with a given mask, or with one that torch draws."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_STEPS = 1 << 16  # a rate is kept in steps of 1/65,536: four numbers then come from 64 random bits


def dropout_forward(x: Tensor, mask: Tensor | float) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype and holds 0 (dropped) or 1/(1 − rate) (kept).

    Twins share their masks. In place of one a rate may be given: then torch draws, which is quicker and what no twin
    can repeat.
    """
    if isinstance(mask, Tensor):
        return x * mask
    if x.device.type != "cpu":
        return functional.dropout(x, mask)
    keep: Tensor = kept(x, mask)
    return x * keep * (1 / (1 - mask))


@torch.library.custom_op("torch_gpt::kept", mutates_args=())
def kept(x: Tensor, rate: float) -> Tensor:
    """Return which entries of x are kept, as booleans of its shape, drawn from torch's generator on the processor.

    There torch's own dropout draws one number after the other, seven nanoseconds each: a third of a training step. An
    operation of its own also passes through torch.compile whole, so that compiled steps drop the same.
    """
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    numbers = words.view(torch.int16)[: x.numel()]  # even over all 65,536 values, from −32,768 on
    keep: Tensor = numbers >= min(round(rate * _STEPS), _STEPS - 1) - _STEPS // 2
    return keep.view(x.shape)


@kept.register_fake
def _(x: Tensor, rate: float) -> Tensor:
    return torch.empty(x.shape, dtype=torch.bool, device=x.device)
