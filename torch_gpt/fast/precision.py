"""In which precision a training computes, and whether a device can.

float32 and float64 are used throughout. bfloat16 and float16 are for the products only: the weights, their moments,
layer norms, softmax and loss stay float32 (Micikevicius et al. 2018). float16 reaches no further than 65,504 and down
to 6e-8, so that the loss is scaled up before backward; bfloat16 has float32's range and needs no scaling.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch

from gpt_data.errors import UserError

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision(NamedTuple):
    """``half`` is the type of the products, None where they are in the weights' own type."""

    half: torch.dtype | None
    scaled: bool

    def context(self, device: torch.device) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        return nullcontext() if self.half is None else torch.autocast(device.type, self.half)


def precision_of(dtype: str, device: torch.device) -> Precision:
    """Return the precision of a recipe's ``dtype`` on a device.

    Raises
    ------
    UserError
        If the device cannot compute in it.
    """
    if dtype == "float64" and device.type == "mps":
        raise UserError("the MPS device cannot compute in float64; try --device cpu, or --dtype float32")
    if dtype == "bfloat16" and device.type == "cuda" and not has_bfloat16(device):
        raise UserError(f"{torch.cuda.get_device_name(device)} has no bfloat16; try --dtype float16, or float32")
    return Precision(HALVES.get(dtype), dtype == "float16")


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a CUDA device computes bfloat16 itself; older ones imitate it, slowly."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def imitates_half(device: torch.device) -> bool:
    """Return whether a device is known to compute half precision by a detour: x86-64 processors without AVX-512 do.

    On an AMD EPYC of that kind a product in bfloat16 took 50 times as long as in float32, one in float16 65 times.
    """
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"


def keep_dropout_exact(rate: float, device: torch.device) -> None:
    """See to it that attention on a CUDA device drops at this rate.

    cuDNN knows sixteenths only. torch 2.11 prefers it on Hopper and lets it round; later ones look at the rate first.
    """
    if device.type == "cuda" and rate * 16 % 1:
        torch.backends.cuda.enable_cudnn_sdp(False)
