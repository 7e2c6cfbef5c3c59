"""The metrics once more, for TensorBoard (the extra ``tensorboard``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.run_state import RunState


class TensorBoardLog:
    """Writes every number of the metrics under its own name, evaluations and steps apart, into ``out_dir``/tensorboard.

    Raises
    ------
    UserError
        If tensorboardX is not installed.
    """

    def __init__(self, out_dir: Path, state: RunState) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            raise UserError('--tensorboard needs tensorboardX: pip install "numpy-gpt[tensorboard]"') from error
        self._directory, self._make = out_dir / "tensorboard", SummaryWriter
        # What a run that goes on will write again is hidden by TensorBoard; its own step is there already.
        self._purge_step = None if state == RunState() else state.step + 1
        self._writer: Any = None  # made by the first line: a run that cannot begin leaves nothing behind

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Take in one line; ``kind`` is evaluation or step.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        try:
            if self._writer is None:
                self._writer = self._make(str(self._directory), purge_step=self._purge_step)
            for name, value in values.items():
                if name != "step" and value is not None:
                    self._writer.add_scalar(f"{kind}/{name}", value, values["step"])
        except OSError as error:
            raise UserError(
                f"cannot write {show_path(self._directory)}: {error.strerror or error}; is the place writable?"
            ) from error
