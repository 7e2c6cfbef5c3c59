"""The TensorBoard log contains every number of the metrics, and a resumed run continues it."""

from __future__ import annotations

import struct
import sys

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.runs.metrics import TensorBoardLog
from numpy_gpt.shared.runs.run_state import RunState

LINES = [
    ("evaluation", {"step": 0, "train_loss": 3.5, "val_loss": 3.25, "train_estimate": None}),
    ("step", {"step": 5, "train_loss": 3.0, "val_loss": None, "gradient_norm": 0.5, "execution": "plain"}),
    ("evaluation", {"step": 5, "train_loss": 2.5, "val_loss": 2.75, "train_estimate": 2.625}),
]
SCALARS = {
    ("evaluation/train_loss", 0, 3.5),
    ("evaluation/val_loss", 0, 3.25),
    ("step/train_loss", 5, 3.0),
    ("step/gradient_norm", 5, 0.5),
    ("evaluation/train_loss", 5, 2.5),
    ("evaluation/val_loss", 5, 2.75),
    ("evaluation/train_estimate", 5, 2.625),
}


def _write(run, state, lines):
    with TensorBoardLog(run, state) as log:
        for kind, values in lines:
            log.write(kind, values)


def _events(run):
    """Yield the events of all files: length, checksum, message, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted((run / "tensorboard").iterdir()):
        content, start = path.read_bytes(), 0
        while start < len(content):
            (length,) = struct.unpack_from("<Q", content, start)
            event = Event()
            event.ParseFromString(content[start + 12 : start + 12 + length])
            start += 12 + length + 4
            yield event


def _scalars(run):
    return {(value.tag, event.step, value.simple_value) for event in _events(run) for value in event.summary.value}


@pytest.fixture
def _tensorboardx():
    pytest.importorskip("tensorboardX")


@pytest.mark.usefixtures("_tensorboardx")
def test_scalars_by_name_and_step(tmp_path):
    _write(tmp_path, RunState(), LINES)
    assert _scalars(tmp_path) == SCALARS
    assert all(event.session_log.status == 0 for event in _events(tmp_path))


@pytest.mark.usefixtures("_tensorboardx")
def test_resumed_run_purges_later_steps(tmp_path):
    _write(tmp_path, RunState(), [*LINES, ("step", {"step": 9, "train_loss": 1.0})])
    _write(tmp_path, RunState(step=5), [("step", {"step": 9, "train_loss": 1.5})])
    starts = [event.step for event in _events(tmp_path) if event.session_log.status == 1]
    assert starts == [6]
    assert ("step/train_loss", 9, 1.5) in _scalars(tmp_path)


@pytest.mark.usefixtures("_tensorboardx")
def test_no_lines_no_files(tmp_path):
    _write(tmp_path / "run", RunState(), [])
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("_tensorboardx")
def test_unwritable_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/tensorboard"):
        _write(tmp_path / "file", RunState(), LINES)


def test_missing_tensorboardx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match=r'pip install "numpy-gpt\[tensorboard\]"'):
        TensorBoardLog(tmp_path, RunState())
