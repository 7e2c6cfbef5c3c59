"""What is left to say when a process is asked to end, and cannot: it waits for another one of its job, in C++.

Python runs a signal's handler between two of its own instructions. A process inside a collective operation gets to none
of these if another one is dead or frozen: NCCL waits for minutes. torchrun has no such patience, and kills it without
a word 30 seconds after SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

GRACE = 25.0  # seconds: just below torchrun's 30


class TerminationWatchdog:
    """While entered, in the main thread: says a line and ends the process when SIGTERM has not done so in ``grace`` s.

    SIGTERM must have a handler of Python's, as it has during training.
    """

    def __init__(self, run: Path | None, grace: float = GRACE) -> None:
        self._run, self._grace = run, grace
        self._left = threading.Event()

    def __enter__(self) -> TerminationWatchdog:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        # The number of each signal is written there at once, by C, whatever Python is waiting for.
        self._previous = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="last word", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        signal.set_wakeup_fd(self._previous)
        os.close(self._writing)  # which ends the thread, too

    def _watch(self) -> None:
        with os.fdopen(self._reading, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] == signal.SIGTERM and not self._left.wait(self._grace):
                    sys.stderr.write(f"error: {self._words()}\n")
                    sys.stderr.flush()
                    os._exit(128 + signal.SIGTERM)

    def _words(self) -> str:
        again = f"--resume {self._run}" if self._run else "--resume RUN"
        return (
            f"asked to end {self._grace:g} seconds ago, this process is still inside one step: it waits for another "
            f"that has ended or hangs; start the job again with {again}: it goes on from the last checkpoint"
        )
