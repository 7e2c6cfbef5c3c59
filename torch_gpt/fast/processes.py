"""A team of processes that torchrun has started: who is who, and how they agree (DistributedDataParallel, FSDP2)."""

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

Value = TypeVar("Value")
_AGREEING = 10  # steps between two looks at whether any process was asked to stop: each look makes all of them wait


class TorchProcessGroup:
    """The team of this process and the others, connected by NCCL on CUDA devices and by gloo elsewhere."""

    def __init__(self, device: torch.device) -> None:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device

    def broadcast(self, value: Value) -> Value:
        """Return the main process's value, in all processes."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self._device)
        return values[0]

    def agree_on_signal(self, signal_number: int, step: int) -> int:
        """Return a signal that any of the processes has received, in all of them at the same step; 0 for none."""
        if (step + 1) % _AGREEING:
            return 0
        received = torch.tensor(signal_number, device=self._device)
        dist.all_reduce(received, dist.ReduceOp.MAX)
        return int(received)


def local_device(device: torch.device) -> torch.device:
    """Return the device of this process: of several on one machine, each has a card of its own."""
    if device.type != "cuda":
        return device
    if device.index is not None:
        raise UserError(f"under torchrun each process takes a card of its own; give --device cuda, not {device}")
    index = int(os.environ.get("LOCAL_RANK", "0"))
    if index >= torch.cuda.device_count():
        raise UserError(
            f"each process needs a card of its own, but there are {torch.cuda.device_count()} for process {index + 1}; "
            f"try --nproc-per-node {torch.cuda.device_count()}"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def check_divisible(training: TrainingConfig, size: int) -> None:
    """Say that a batch cannot be dealt out to so many processes, if it cannot.

    Raises
    ------
    UserError
        If batch_size is not a multiple of the number of processes.
    """
    if training.batch_size % size:
        below = training.batch_size - training.batch_size % size
        known = " or ".join(str(batch) for batch in (below, below + size) if batch)
        raise UserError(f"batch_size={training.batch_size} is not divisible by the {size} processes; try {known}")


def silence_others() -> None:
    """Let the main process alone write to stdout."""
    if int(os.environ.get("RANK", "0")) > 0:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")


def is_lost_connection(error: RuntimeError) -> bool:
    """Return whether the error means that another process can no longer be reached."""
    # gloo's errors have no class of their own.
    signs = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
    return isinstance(error, dist.DistError) or any(sign in str(error).lower() for sign in signs)


def partner_lost(error: RuntimeError, run: Path | None) -> UserError:
    """Return what to tell the user when another process of the job has ended and this one cannot go on alone."""
    reason = re.sub(r"^\[[^]]*\] ", "", str(error)).partition(". ")[0]  # without the place in gloo's source
    again = f"--resume {run}" if run else "--resume RUN"
    return UserError(
        f"another process of this job has ended, and training cannot go on without it ({reason:.100}); "
        f"start the job again with {again}: it goes on from the last checkpoint, with any number of processes"
    )
