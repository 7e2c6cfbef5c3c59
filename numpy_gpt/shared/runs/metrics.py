"""The metrics of a run: metrics.jsonl, one JSON object per line at full precision, and optionally TensorBoard.

Both receive every evaluation and every logged step. TensorBoard needs the extra ``tensorboard``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.files.json_values import convert, parse_json
from gpt_data.files.regular_file import open_regular
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.run_state import Evaluation, RunState, Step

METRICS_FILE = "metrics.jsonl"
_LONGEST_LINE = 1 << 16  # bytes


class MetricsRecord(NamedTuple):
    """A line of metrics as it stands in the file, its step, and the evaluation if it is one."""

    line: bytes
    step: int
    evaluation: Evaluation | None


class MetricsLog(Protocol):
    """A receiver of every evaluation and every logged step."""

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write one record; ``kind`` is evaluation or step."""


class MetricsFile:
    """Appends lines to a file; on entry, drops the lines that a run resumed from ``state`` will write again."""

    def __init__(self, path: Path, state: RunState) -> None:
        self._path, self._state = path, state

    def __enter__(self) -> MetricsFile:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._path, b"".join(self._lines_to_keep()))
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise _write_error(self._path, error) from error
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line; ``kind`` is evaluation or step.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        try:
            self._file.write(json.dumps({"kind": kind, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # closing tries to write the rest again
                self._file.close()
            raise _write_error(self._path, error) from error

    def _lines_to_keep(self) -> Iterator[bytes]:
        if self._state == RunState() or not self._path.is_file():
            return
        with suppress(UserError):  # a killed process's last line, or damage
            for record in read_metrics(self._path.parent):
                # The resumed run writes the evaluation of this step again, unless the state contains it.
                is_pending = record.evaluation is not None and self._state.evaluation is None
                if record.step > self._state.step - is_pending:
                    return
                yield record.line


def read_metrics(run: Path) -> Iterator[MetricsRecord]:
    """Yield every record of a run's metrics, except a last line without a line end, which is still being written.

    Raises
    ------
    UserError
        If they cannot be read, or a line is not what ``MetricsFile`` writes; the message names line and field.
    """
    path = run / METRICS_FILE
    with open_regular(path) as file:
        for number in count(1):
            try:
                line = file.readline(_LONGEST_LINE)
                if line.endswith(b"\n"):
                    yield _parse_record(line)
                elif len(line) < _LONGEST_LINE:
                    return
                else:
                    raise UserError(f"it must have at most {_LONGEST_LINE:,} bytes")
            except OSError as error:
                raise UserError(f"cannot read {show_path(path)}: {error.strerror or error}") from error
            except ValueError as error:  # a UserError, or not JSON
                reason = f"is not a line of metrics: {error}; was it cut off?"
                raise UserError(f"{show_path(path)}, line {number}, {reason}") from error


def _parse_record(line: bytes) -> MetricsRecord:
    values = convert(parse_json(line), dict[str, Any])
    kind = convert(values.pop("kind", None), Literal["evaluation", "step"], "kind")
    if kind == "evaluation":
        evaluation = convert(values, Evaluation)
        return MetricsRecord(line, evaluation.step, evaluation)
    convert(values.pop("execution", None), str | None, "execution")
    return MetricsRecord(line, convert(convert(values, dict[str, float | None]).get("step"), Step, "step"), None)


class TensorBoardLog:
    """Writes every number under its own name to ``out_dir``/tensorboard, evaluations and steps separately.

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
        self._directory, self._make_writer = out_dir / "tensorboard", SummaryWriter
        # TensorBoard hides the records that a resumed run will write again; the record of this step is kept.
        self._purge_step = None if state == RunState() else state.step + 1
        self._writer: Any = None  # created with the first record, so that a run that fails to start leaves no files

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write one record; ``kind`` is evaluation or step.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        try:
            if self._writer is None:
                self._writer = self._make_writer(str(self._directory), purge_step=self._purge_step)
            for name, value in values.items():
                if name != "step" and value is not None and not isinstance(value, str):
                    self._writer.add_scalar(f"{kind}/{name}", value, values["step"])
        except OSError as error:
            raise _write_error(self._directory, error) from error


def _write_error(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {show_path(path)}: {error.strerror or error}; is the place writable and not full?")
