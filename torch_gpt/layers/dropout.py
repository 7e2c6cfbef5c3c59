"""Dropout with a given mask, or with a mask that torch draws."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NUMBERS = 1 << 16  # distinct numbers, four from 64 random bits, so rates are rounded to 1/65,536
_MANY = 1 << 16  # entries: for fewer, torch's own dropout is faster


def is_own_draw_faster(device: torch.device, entries: int) -> bool:
    """Return whether ``draw_keep_mask`` draws this many entries faster than torch's own dropout."""
    return device.type == "cpu" and entries >= _MANY


def dropout_forward(x: Tensor, mask: Tensor | float) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype, with entries 0 (dropped) or 1/(1 − rate) (kept).

    Both twins use the same masks. If a rate is given instead, torch draws a mask, which is faster but cannot be
    reproduced by the other twin.
    """
    if isinstance(mask, Tensor):
        return x * mask
    if not is_own_draw_faster(x.device, x.numel()):
        return functional.dropout(x, mask)
    keep: Tensor = draw_keep_mask(x, mask) if torch.compiler.is_compiling() else _draw(x, mask)
    return x * keep * (_NUMBERS / (_NUMBERS - _count_dropped(mask)))  # the rounded rate, so that the mean stays x


@torch.library.custom_op("torch_gpt::draw_keep_mask", mutates_args=())
def draw_keep_mask(x: Tensor, rate: float) -> Tensor:
    """Do the same as _draw, as an operation that torch.compile does not change: compiled steps drop the same entries.

    The compiler assumes a pure function of the arguments, so never call it twice with the same tensor.
    """
    return _draw(x, rate)


@draw_keep_mask.register_fake
def _(x: Tensor, rate: float) -> Tensor:
    return torch.empty(x.shape, dtype=torch.bool, device=x.device)


def _draw(x: Tensor, rate: float) -> Tensor:
    """Return which entries of x to keep, as booleans of its shape, drawn from torch's CPU generator.

    On a CPU, torch's own dropout draws the numbers one by one, 7 ns each: a third of a training step.
    """
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    numbers = words.view(torch.int16)[: x.numel()]  # uniform over the 65,536 values from −32,768
    keep: Tensor = numbers >= _count_dropped(rate) - _NUMBERS // 2
    return keep.view(x.shape)


def _count_dropped(rate: float) -> int:
    return min(round(rate * _NUMBERS), _NUMBERS - 1)
