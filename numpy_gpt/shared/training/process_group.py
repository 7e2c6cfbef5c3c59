"""The processes that train one model together, or a single process: which one writes, and how they agree."""

from __future__ import annotations

import os
from typing import Protocol, TypeVar

Value = TypeVar("Value")


class ProcessGroup(Protocol):
    """The processes of a run, numbered from 0; process 0, the main one, logs and writes."""

    rank: int
    size: int

    def broadcast(self, value: Value) -> Value:
        """Return the main process's value in every process."""

    def agree_on_signal(self, signal_number: int, step: int) -> int:
        """Return a signal that any process has received, to all processes after the same step; 0 for none.

        Each evaluation counts its batches as steps.
        """


class SingleProcess:
    """A group of one process."""

    rank, size = 0, 1

    def broadcast(self, value: Value) -> Value:
        """Return the value."""
        return value

    def agree_on_signal(self, signal_number: int, step: int) -> int:
        """Return the signal."""
        return signal_number


SINGLE_PROCESS = SingleProcess()


def is_torchrun_job() -> bool:
    """Return whether torchrun started several processes: it sets both variables, a job script perhaps only one."""
    return "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"
