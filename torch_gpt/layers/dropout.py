"""Dropout with a given mask, or with one that torch draws."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NUMBERS = 1 << 16  # so many different ones are drawn, four from 64 random bits: rates are rounded to 1/65,536
_MANY = 1 << 16  # entries from which on drawing them here pays; of fewer, torch's one operation is quicker


def draws_here(device: torch.device, entries: int) -> bool:
    """Return whether so many entries are better drawn by ``kept`` than by torch's own dropout."""
    return device.type == "cpu" and entries >= _MANY


def dropout_forward(x: Tensor, mask: Tensor | float) -> Tensor:
    """Return x · mask (7.1); mask has x's shape and dtype and holds 0 (dropped) or 1/(1 − rate) (kept).

    Twins share their masks. In place of one a rate may be given: then torch draws, which is quicker and what no twin
    can repeat.
    """
    if isinstance(mask, Tensor):
        return x * mask
    if not draws_here(x.device, x.numel()):
        return functional.dropout(x, mask)
    keep: Tensor = kept(x, mask) if torch.compiler.is_compiling() else _drawn(x, mask)
    return x * keep * (_NUMBERS / (_NUMBERS - _dropped(mask)))  # by the rate as it is rounded: the mean stays x


@torch.library.custom_op("torch_gpt::kept", mutates_args=())
def kept(x: Tensor, rate: float) -> Tensor:
    """Return what _drawn does, as an operation that torch.compile passes on whole: compiled steps drop the same.

    But the compiler takes it for a function of its arguments: never call it twice for the same tensor.
    """
    return _drawn(x, rate)


@kept.register_fake
def _(x: Tensor, rate: float) -> Tensor:
    return torch.empty(x.shape, dtype=torch.bool, device=x.device)


def _drawn(x: Tensor, rate: float) -> Tensor:
    """Return which entries of x are kept, as booleans of its shape, drawn from torch's generator on the processor.

    There torch's own dropout draws one number after the other, seven nanoseconds each: a third of a training step.
    """
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    numbers = words.view(torch.int16)[: x.numel()]  # even over all 65,536 values, from −32,768 on
    keep: Tensor = numbers >= _dropped(rate) - _NUMBERS // 2
    return keep.view(x.shape)


def _dropped(rate: float) -> int:
    return min(round(rate * _NUMBERS), _NUMBERS - 1)
