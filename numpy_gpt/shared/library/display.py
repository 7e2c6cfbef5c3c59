"""The progress of training where a library is used: as the command shows it, or as one output of a notebook."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from html import escape
from importlib import import_module
from typing import Any

from numpy_gpt.shared.cli.progress import display_for, evaluation_line, progress_text
from numpy_gpt.shared.html_table import html_code
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.trainer import Display, Progress

_LAST_EVALUATIONS = 10


class NotebookDisplay:
    """Shows a bar and the last evaluations as one output of a notebook's cell, which is updated in place."""

    def __init__(self, max_iters: int, first_step: int, title: str = "") -> None:
        self._max_iters, self._step, self._text, self._title = max_iters, first_step, "", title
        self._evaluations: list[str] = []
        self._output: Any = None

    def __enter__(self) -> NotebookDisplay:
        # By name: it is there, as this runs in a notebook, but is no requirement of this package.
        self._output = import_module("IPython.display").display(self, display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._show(progress.step, progress_text(progress))

    def evaluation_progress(self, step: int, tokens: int) -> None:
        """Leave the bar where it is: updates for every batch would swamp the browser."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Add the evaluation below the bar."""
        self._evaluations.append(evaluation_line(evaluation))
        self._show(evaluation.step, "")  # times and speeds, which end here, would differ in every copy of a notebook

    def _show(self, step: int, text: str) -> None:
        self._step, self._text = step, text
        self._output.update(self)

    def __repr__(self) -> str:
        return f"{self._title}  {self._step}/{self._max_iters}  {self._text}".strip()

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self._step}" max="{max(self._max_iters, 1)}"></progress> {escape(repr(self))}'
        return bar + html_code(self._evaluations[-_LAST_EVALUATIONS:])


class NoDisplay:
    """Shows nothing."""

    def __enter__(self) -> NoDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def evaluation_progress(self, step: int, tokens: int) -> None:
        """Show nothing."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Show nothing."""


def choose_display(max_iters: int, first_step: int, *, shown: bool) -> AbstractContextManager[Display]:
    """Return the display for a notebook, or the command's for anything else; unless ``shown``, one without output."""
    if not shown:
        return NoDisplay()
    return NotebookDisplay(max_iters, first_step) if is_notebook() else display_for(max_iters, first_step)


def is_notebook() -> bool:
    """Return whether the program runs in a notebook."""
    ipython = sys.modules.get("IPython")  # a notebook's kernel has imported it
    shell = ipython and ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
