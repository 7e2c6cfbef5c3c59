"""Dropout with a given mask, or with a mask that torch draws."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NUMBERS = 1 << 16  # different numbers, four from 64 random bits: rates are rounded to 1/65,536
_MANY = 1 << 16  # entries: for fewer, torch's own dropout is faster


def draws_here(device: torch.device, entries: int) -> bool:
    """Return whether ``draw_kept`` draws this many entries faster than torch's own dropout."""
    return device.type == "cpu" and entries >= _MANY


def dropout_forward(x: Tensor, mask: Tensor | float) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype and holds 0 (dropped) or 1/(1 − rate) (kept).

    Twins share their masks. Instead of a mask, a rate may be given: then torch draws one, which is faster and which no
    twin can repeat.
    """
    if isinstance(mask, Tensor):
        return x * mask
    if not draws_here(x.device, x.numel()):
        return functional.dropout(x, mask)
    keep: Tensor = draw_kept(x, mask) if torch.compiler.is_compiling() else _draw(x, mask)
    return x * keep * (_NUMBERS / (_NUMBERS - _count_dropped(mask)))  # the rate as rounded: the mean stays x


@torch.library.custom_op("torch_gpt::draw_kept", mutates_args=())
def draw_kept(x: Tensor, rate: float) -> Tensor:
    """Do what _draw does, as an operation that torch.compile leaves whole: compiled steps drop the same entries.

    The compiler assumes a function of its arguments, so never call it twice for the same tensor.
    """
    return _draw(x, rate)


@draw_kept.register_fake
def _(x: Tensor, rate: float) -> Tensor:
    return torch.empty(x.shape, dtype=torch.bool, device=x.device)


def _draw(x: Tensor, rate: float) -> Tensor:
    """Return which entries of x are kept, as booleans of its shape, drawn from torch's CPU generator.

    On a CPU, torch's own dropout draws one number after the other, 7 ns each: a third of a training step.
    """
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    numbers = words.view(torch.int16)[: x.numel()]  # uniform over the 65,536 values from −32,768
    keep: Tensor = numbers >= _count_dropped(rate) - _NUMBERS // 2
    return keep.view(x.shape)


def _count_dropped(rate: float) -> int:
    return min(round(rate * _NUMBERS), _NUMBERS - 1)
