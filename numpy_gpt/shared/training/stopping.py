"""How training can end early: on a signal, after the current step, or because a loss is not finite."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from gpt_data.errors import UserError
from gpt_data.process import SIGNALS, Ending, Signalled, is_ending
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.training.recipe import TrainingConfig


class Diverged(UserError):
    """A loss or a gradient is not finite."""


class Interrupted(Ending):
    """A signal ended training early, with a checkpoint."""

    def __init__(self, signal_number: int, step: int, out_dir: Path) -> None:
        self.exit_status, self.step = 128 + signal_number, step
        place = show_path(out_dir)
        super().__init__(f"interrupted after step {step}; a checkpoint is in {place}: resume with --resume {place}")


def has_run_out(training: TrainingConfig, state: RunState) -> bool:
    """Return whether ``patience`` ends the run: that many evaluations in a row brought no improvement."""
    return 0 < training.patience <= state.evaluations_since_best


class Stopped(Exception):
    """A signal ended an evaluation in the middle."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal_number)


class StopSignals:
    """A context that stores the signals that end a program in ``received``; a second SIGINT ends it immediately.

    After ``ignore_more``, signals no longer do anything. A nested instance takes over the signal that the outer one has
    stored.
    """

    def __init__(self) -> None:
        self.received, self._ignores = 0, False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # only the main thread may set signal handlers
            for number in SIGNALS:
                if signal.getsignal(number) is signal.SIG_IGN:  # as nohup sets it
                    continue
                self._previous[number] = signal.signal(number, self._store)
                outer = getattr(self._previous[number], "__self__", None)
                if isinstance(outer, StopSignals):
                    self.received = self.received or outer.received
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def ignore_more(self) -> None:
        """Ignore further signals: what remains to be done is short, and lost if it is not completed."""
        self._ignores = True

    def _store(self, number: int, frame: FrameType | None) -> None:
        if self._ignores or is_ending():
            return
        if self.received and number == signal.SIGINT:
            raise Signalled(number)
        self.received = number
