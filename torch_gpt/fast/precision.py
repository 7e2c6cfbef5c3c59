"""The precision in which training computes, and whether a device supports it.

float32 and float64 are used throughout. bfloat16 and float16 are for matrix products only: the weights, their moments,
layer norms, softmax and loss stay float32 (Micikevicius et al. 2018). float16 ranges only from 6e-8 to 65,504, so the
loss is scaled up before backward; bfloat16 has float32's range and needs no scaling.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypedDict

import torch

from gpt_data.errors import UserError
from gpt_data.files.json_values import convert
from numpy_gpt.shared.training.recipe import TrainingConfig

HALF_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision(NamedTuple):
    """``half`` is the dtype of matrix products, None if it is that of the weights; ``scaled`` means loss scaling."""

    half: torch.dtype | None
    scaled: bool

    def context(self, device: torch.device) -> AbstractContextManager[object]:
        """Return the context for forward passes."""
        return nullcontext() if self.half is None else torch.autocast(device.type, self.half)


def precision_of(dtype: str, device: torch.device) -> Precision:
    """Return the precision of a recipe's ``dtype`` on a device.

    Raises
    ------
    UserError
        If the device does not support it.
    """
    if dtype == "float64" and device.type == "mps":
        raise UserError("the MPS device cannot compute in float64; try --device cpu, or --dtype float32")
    if dtype == "bfloat16" and device.type == "cuda" and not has_bfloat16(device):
        raise UserError(f"{torch.cuda.get_device_name(device)} has no bfloat16; try --dtype float16, or float32")
    return Precision(HALF_DTYPES.get(dtype), dtype == "float16")


def rate_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the dtype of the tensor of learning rates for a recipe's ``dtype``."""
    # CUDA's fused AdamW accepts only float32.
    return torch.float64 if dtype == "float64" and device.type == "cpu" else torch.float32


def check_rates(training: TrainingConfig, device: torch.device) -> None:
    """Check that the learning rates of a recipe are in the range of their tensor's dtype.

    Raises
    ------
    UserError
        If one is larger than that.
    """
    largest = torch.finfo(rate_dtype(training.dtype, device)).max
    for name in ("learning_rate", "min_lr"):
        rate = training.schedule()[name]
        if rate > largest:
            raise UserError(
                f"{name} must be at most {largest:.6g} on {device.type}, where the fast path has it in float32, not "
                f"{rate!r}; try a lower one, or --path explicit"
            )


class _ScalerState(TypedDict):
    scale: float
    growth_factor: float
    backoff_factor: float
    growth_interval: int
    _growth_tracker: int


class _EngineState(TypedDict):
    scaler: _ScalerState


def restore_scaler(scaler: torch.amp.GradScaler, state: Mapping[str, Any]) -> None:
    """Give a scaler the state that a checkpoint's ``engine_state`` contains.

    Raises
    ------
    UserError
        If it contains something else.
    """
    if scaler.is_enabled():
        scaler.load_state_dict(convert(dict(state), _EngineState, "engine_state")["scaler"])


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a CUDA device supports bfloat16 in hardware; older ones emulate it, slowly."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def emulates_half(device: torch.device) -> bool:
    """Return whether a device is known to emulate half precision, as x86-64 CPUs without AVX-512 do.

    On such an AMD EPYC a product in bfloat16 took 50 times as long as in float32, and one in float16 65 times.
    """
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"


def keep_dropout_exact(rate: float, device: torch.device) -> None:
    """Ensure that attention on a CUDA device drops at exactly this rate.

    cuDNN supports only multiples of 1/16. torch 2.11 prefers it on Hopper and lets it round; later versions check the
    rate first.
    """
    if device.type == "cuda" and rate * 16 % 1:
        torch.backends.cuda.enable_cudnn_sdp(False)
