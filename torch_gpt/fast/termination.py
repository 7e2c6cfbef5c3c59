"""Terminate a process that cannot exit by itself because it is waiting in C++ for another process of its job.

Python runs signal handlers only between its own instructions. A process inside a collective operation never gets there
if another process is dead or frozen: NCCL waits for minutes. torchrun kills it silently 30 seconds after SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from torch_gpt.fast.process_group import restart_advice

GRACE = 25.0  # seconds: just below torchrun's 30


class TerminationWatchdog:
    """A context for the main thread that prints a line and ends the process ``grace`` seconds after SIGTERM.

    It does nothing if the block exits before that. SIGTERM must have a Python handler, as it does during training.
    """

    def __init__(self, run: Path | None, grace: float = GRACE) -> None:
        self._run, self._grace = run, grace
        self._exited = threading.Event()

    def __enter__(self) -> TerminationWatchdog:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # C code writes the number of each signal to this pipe immediately, whatever Python is waiting for.
        self._previous = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="termination watchdog", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._exited.set()
        signal.set_wakeup_fd(self._previous)
        os.close(self._writer)  # this also ends the thread

    def _watch(self) -> None:
        with os.fdopen(self._reader, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] == signal.SIGTERM and not self._exited.wait(self._grace):
                    sys.stderr.write(f"error: {self._message()}\n")
                    sys.stderr.flush()
                    os._exit(128 + signal.SIGTERM)

    def _message(self) -> str:
        return (
            f"{self._grace:g} seconds after SIGTERM this process is still inside one step, waiting for another process "
            f"that has ended or hangs; {restart_advice(self._run)}"
        )
