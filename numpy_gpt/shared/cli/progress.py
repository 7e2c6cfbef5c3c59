"""What training prints: evaluations as data on stdout, and progress on stderr, as a bar if stderr is a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from gpt_data.terminal import print_prose
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.trainer import Display, Progress

_LINE_SECONDS = 1.0
_WIDE, _MEDIUM = 100, 70  # columns of terminals with a long and with a short bar
_LEAST_FIRST = ("memory", "mfu", "steps", "rate", "tokens", "val", "loss", "left")


def evaluation_line(evaluation: Evaluation) -> str:
    """Return an evaluation as a line; both programs print the same line for the same numbers."""
    line = (
        f"step {evaluation.step:6d}  train_loss {evaluation.train_loss:.6f}  "
        f"val_loss {evaluation.val_loss:.6f}  learning_rate {evaluation.learning_rate:.3e}"
    )
    if evaluation.train_estimate is None or evaluation.val_estimate is None:
        return line
    return f"{line}  estimates {evaluation.train_estimate:.4f} {evaluation.val_estimate:.4f}"


class PlainDisplay:
    """Prints progress as lines, at most one per second, for logs and pipes."""

    def __init__(self, max_iters: int) -> None:
        self._max_iters, self._last_line = max_iters, time.monotonic()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        """Print a line to stderr, unless the last one is less than a second old."""
        self._print_line(progress.step, lambda: progress_text(progress))

    def evaluation_progress(self, step: int, tokens: int) -> None:
        """Print a line to stderr, unless the last one is less than a second old."""
        self._print_line(step, lambda: _evaluation_text(tokens))

    def _print_line(self, step: int, text: Callable[[], str]) -> None:
        now = time.monotonic()
        if now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            print(f"{step}/{self._max_iters}  {text()}", file=sys.stderr, flush=True)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print the evaluation to stdout."""
        print_prose(evaluation_line(evaluation))


class BarDisplay:
    """Shows progress as a bar, for a terminal."""

    def __init__(self, max_iters: int, first_step: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._console, self._max_iters = Console(stderr=True), max_iters
        self._bar_width = 24 if self._console.width >= _WIDE else 8 if self._console.width >= _MEDIUM else 0
        bar = [BarColumn(bar_width=self._bar_width)] if self._bar_width else []
        self._bar: Any = RichProgress(
            *bar,
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            redirect_stdout=sys.stdout.isatty(),  # piped output is data and must not pass through the bar
            transient=True,
        )
        self._task = self._bar.add_task("", total=max_iters, completed=first_step)

    def __enter__(self) -> BarDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        description = progress_text(progress, self._columns_left(progress.step))
        self._bar.update(self._task, completed=progress.step, description=description)

    def evaluation_progress(self, step: int, tokens: int) -> None:
        """Show the number of evaluated tokens next to the bar."""
        description = _evaluation_text(tokens)
        if len(description) > self._columns_left(step):
            description = "evaluating"
        self._bar.update(self._task, completed=step, description=description)

    def _columns_left(self, step: int) -> int:
        """Return the width of the terminal that the bar, the number of steps and a space after each leave."""
        return self._console.width - self._bar_width - 2 * len(str(self._max_iters)) - len("/") - 2

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print the evaluation to stdout, above the bar."""
        print_prose(evaluation_line(evaluation))


def display_for(max_iters: int, first_step: int, *, bar: bool = True) -> AbstractContextManager[Display]:
    """Return the display that suits stderr: a bar only for a terminal, and only if ``bar`` allows it."""
    return BarDisplay(max_iters, first_step) if bar and sys.stderr.isatty() else PlainDisplay(max_iters)


def progress_text(progress: Progress, columns: float = math.inf) -> str:
    """Return the progress as text that fits these columns; what matters least is left out first, the time left last."""
    parts = _progress_parts(progress)
    while len("  ".join(parts.values())) > columns and len(parts) > 1:
        parts.pop(next(name for name in _LEAST_FIRST if name in parts))
    return "  ".join(parts.values())


def _progress_parts(progress: Progress) -> dict[str, str]:
    parts = {"loss": f"loss {progress.loss:.4f}"}
    if not math.isnan(progress.val_loss):
        parts["val"] = f"val {progress.val_loss:.4f}"
    parts["rate"] = f"rate {progress.learning_rate:.1e}"
    if math.isnan(progress.seconds_left):
        return parts
    speed = progress.throughput
    parts |= {"tokens": f"{speed.tokens_per_second:,.0f} tokens/s", "steps": f"{speed.ms_per_step:.2f} ms/step"}
    if speed.mfu is not None:
        parts["mfu"] = f"MFU {'unknown' if math.isnan(speed.mfu) else f'{speed.mfu:.1%}'}"
    if speed.peak_memory is not None:
        parts["memory"] = f"{speed.peak_memory / 2**20:,.0f} MiB"
    return parts | {"left": f"{_clock(progress.seconds_left)} left"}


def _evaluation_text(tokens: int) -> str:
    return f"evaluating: {tokens:,} tokens so far"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
