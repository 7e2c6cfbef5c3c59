"""The group of processes started by torchrun: their ranks, and how they agree (DistributedDataParallel, FSDP2)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from gpt_data.errors import UserError
from numpy_gpt.shared.training.recipe import TrainingConfig
from torch_gpt.fast.rendezvous import meet

Value = TypeVar("Value")
_SIGNAL_INTERVAL = (
    10  # steps, or batches of an evaluation, between checks for a signal: each synchronises all processes
)


class TorchProcessGroup:
    """All processes of a job, this one included, connected by NCCL on CUDA devices and by gloo elsewhere."""

    def __init__(self, device: torch.device) -> None:
        meet("nccl" if device.type == "cuda" else "gloo")
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device

    def broadcast(self, value: Value) -> Value:
        """Return the main process's value in every process."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self._device)
        return values[0]

    def agree_on_signal(self, signal_number: int, step: int) -> int:
        """Return a signal that any process has received, to all processes after the same step; 0 for none."""
        if (step + 1) % _SIGNAL_INTERVAL:
            return 0
        received = torch.tensor(signal_number, device=self._device)
        dist.all_reduce(received, dist.ReduceOp.MAX)
        return int(received)


def local_device(device: torch.device) -> torch.device:
    """Return the device of this process: each process on a machine uses its own GPU."""
    if device.type != "cuda":
        return device
    if device.index is not None:
        raise UserError(f"under torchrun each process uses its own GPU; give --device cuda, not {device}")
    index = int(os.environ.get("LOCAL_RANK", "0"))
    if index >= torch.cuda.device_count():
        raise UserError(
            f"each process needs its own GPU, but there are {torch.cuda.device_count()} for process {index + 1}; "
            f"try --nproc-per-node {torch.cuda.device_count()}"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def check_divisible(training: TrainingConfig, size: int) -> None:
    """Check that a batch can be divided among ``size`` processes.

    Raises
    ------
    UserError
        If batch_size is not a multiple of the number of processes.
    """
    if training.batch_size % size:
        below = training.batch_size - training.batch_size % size
        multiples = " or ".join(str(batch) for batch in (below, below + size) if batch)
        raise UserError(f"batch_size={training.batch_size} is not divisible by the {size} processes; try {multiples}")


def silence_others() -> None:
    """Let only the main process write to stdout."""
    if int(os.environ.get("RANK", "0")) > 0:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")


def is_lost_connection(error: RuntimeError) -> bool:
    """Return whether the error means that another process can no longer be reached."""
    # gloo's errors do not have their own class.
    signs = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
    return isinstance(error, dist.DistError) or any(sign in str(error).lower() for sign in signs)


def lost_process_error(error: RuntimeError, run: Path | None) -> UserError:
    """Return the user error for when another process of the job has ended and this one cannot continue alone."""
    reason = re.sub(r"^\[[^]]*\] ", "", str(error)).partition(". ")[0]  # without the source location that gloo prepends
    return UserError(
        f"another process of this job has ended, and training cannot continue without it ({reason:.100}); "
        f"{restart_advice(run)}, with any number of processes"
    )


def restart_advice(run: Path | None) -> str:
    """Return how to restart the job from the run's last checkpoint."""
    return f"start the job again with --resume {run or 'RUN'}: it resumes from the last checkpoint"
