"""The device, its float32 arithmetic and its number of threads: set once per command."""

from __future__ import annotations

import warnings

import torch

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import parameter_count

_WORTH_THREADS = 2e8
"""Operations per training step above which a second thread pays; below, synchronising costs more than it gains."""


def choose_device(name: str, dtype: str = "float32") -> torch.device:
    """Return the device named cpu, cuda, cuda:N or mps, or for auto the first available of cuda, mps, cpu.

    Raises
    ------
    UserError
        If the name is unknown, there is no such device, or it cannot compute in ``dtype``.
    """
    if not isinstance(name, str | torch.device):
        raise UserError(f"device must be auto, cpu, cuda, cuda:N or mps, not {describe(name)}")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() and dtype != "float64" else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"device must be auto, cpu, cuda, cuda:N or mps, not {describe(name)}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"there is no CUDA device {describe(name)} that PyTorch {torch.__version__} can use; try --device cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"there is no MPS device that PyTorch {torch.__version__} can use; try --device cpu")
    if device.type == "mps" and dtype == "float64":
        raise UserError("the MPS device cannot compute in float64; try --device cpu, or --dtype float32")
    return device


def set_tf32(allowed: bool) -> None:
    """Compute float32 products in float32, whatever the environment says, unless TF32 is allowed.

    TF32 keeps 10 bits of each factor instead of 23: faster on CUDA, but less exact.
    """
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")  # --help documents TF32


def limit_threads(model: ModelConfig, batch_size: int) -> None:
    """Use one CPU thread for a small model: on a busy machine, waiting for other threads can take 100 times as long."""
    # For each parameter and token: a multiplication and an addition forward, twice as many backward.
    if 6 * parameter_count(model) * batch_size * model.block_size < _WORTH_THREADS:
        torch.set_num_threads(1)


def describe_device(device: torch.device, how: str) -> str:
    """Return one line that describes the device; ``how`` describes its operations."""
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return f"device: {device}{name}, {how}"
