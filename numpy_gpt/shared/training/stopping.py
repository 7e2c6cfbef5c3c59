"""How training can end early: on a signal, after the current step, or because a loss is not finite."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from gpt_data.errors import UserError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT  # 130, and 143 for SIGTERM, as shells report a process ended by a signal


class Diverged(UserError):
    """A loss or a gradient is not finite."""


class Interrupted(Exception):
    """A signal ended training early, with a checkpoint."""

    def __init__(self, signal_number: int, step: int, out_dir: Path) -> None:
        self.exit_status = 128 + signal_number
        super().__init__(f"interrupted after step {step}; a checkpoint is in {out_dir}: resume with --resume {out_dir}")


class Stopped(Exception):
    """A signal ended an evaluation in the middle."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal_number)


class StopSignals:
    """A context that stores SIGINT and SIGTERM in ``received``; a second SIGINT ends the program immediately.

    A nested instance takes over the signal that the outer one has stored.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # only the main thread may set signal handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._store)
                outer = getattr(self._previous[number], "__self__", None)
                if isinstance(outer, StopSignals):
                    self.received = self.received or outer.received
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _store(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
