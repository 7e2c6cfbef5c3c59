"""metrics.jsonl: a JSON object a line, for every evaluation and every logged step, at full precision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from gpt_data.files.atomic import atomic_write
from gpt_data.errors import UserError
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.run_state import RunState


class MetricsLog(Protocol):
    """What hears of every evaluation and every logged step."""

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Take in one line; ``kind`` is evaluation or step."""


class MetricsFile:
    """Appends lines; what a run that goes on from ``state`` will write again is dropped on entering."""

    def __init__(self, path: Path, state: RunState) -> None:
        self._path, self._state = path, state

    def __enter__(self) -> MetricsFile:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for left_over in self._path.parent.glob(f".{self._path.name}.*.tmp"):  # of a process that was killed here
                left_over.unlink()
            atomic_write(self._path, "".join(self._lines_to_keep()).encode())
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line; ``kind`` is evaluation or step."""
        try:
            self._file.write(json.dumps({"kind": kind, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # which tries to write the rest again
                self._file.close()
            raise self._unwritable(error) from error

    def _lines_to_keep(self) -> list[str]:
        if self._state == RunState() or not self._path.is_file():
            return []
        kept = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            try:
                values = json.loads(line)
                # The steps so far are done; the evaluation after them is the first thing to come, if it is not there.
                to_come = values["kind"] == "evaluation" and self._state.evaluation is None
                if values["step"] > self._state.step - to_come:
                    break
            except (ValueError, KeyError, TypeError, RecursionError):  # a killed process's last line, or damage
                break
            kept.append(line)
        return kept

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {show_path(self._path)}: {error.strerror or error}; is the place writable, has it room?"
        )
