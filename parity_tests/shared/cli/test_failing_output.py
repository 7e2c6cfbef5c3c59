"""Output that cannot be written: training is finished, other commands stop, and the status says so."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import PROGRAMS

QUICK = ["--max_iters", "2", "--eval_interval", "2", "--out_dir", "run"]


class _Failing(io.StringIO):
    def __init__(self, code):
        super().__init__()
        self.code = code

    def write(self, text):
        raise OSError(self.code, os.strerror(self.code))  # a BrokenPipeError for EPIPE


@pytest.mark.parametrize(
    ("program", "code", "flags"),
    [
        ("numpy_gpt", errno.ENOSPC, ["--json"]),
        ("numpy_gpt", errno.EPIPE, ["--by_hand", "2"]),
        ("torch_gpt", errno.EPIPE, ["--device", "cpu"]),
    ],
)
def test_training_outlives_its_output(capsys, monkeypatch, program, code, flags):
    monkeypatch.setattr(sys, "stdout", _Failing(code))
    assert PROGRAMS[program](["train", "tiny", *QUICK, *flags]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"error: cannot write to standard output: {os.strerror(code)}; everything else is done"
    assert load_checkpoint(Path("run")).step == 2


@pytest.mark.parametrize(("program", "code"), [("numpy_gpt", errno.ENOSPC), ("torch_gpt", errno.EPIPE)])
def test_training_outlives_its_progress(program, monkeypatch, code):
    monkeypatch.setattr(sys, "stderr", _Failing(code))
    monkeypatch.setattr("numpy_gpt.shared.cli.progress._LINE_SECONDS", 0)
    assert PROGRAMS[program](["train", "tiny", *QUICK]) == 0
    assert load_checkpoint(Path("run")).step == 2
    assert PROGRAMS[program](["train", "tinny", *QUICK]) == 2  # a message that cannot be shown changes no status


def test_compare_outlives_its_output(numpy_run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", _Failing(errno.EPIPE))
    assert PROGRAMS["numpy_gpt"](["compare", "tiny", *QUICK, "--n_embd", "4,6"]) == 2
    assert all(load_checkpoint(Path(f"run/n_embd-{size}")).step == 2 for size in (4, 6))


@pytest.mark.parametrize(("code", "status"), [(errno.EPIPE, 0), (errno.ENOSPC, 2)])
@pytest.mark.parametrize("words", [["sample"], ["evaluate", "--eval_iters", "0"], ["parameters"]])
def test_other_commands_end_with_their_output(capsys, monkeypatch, code, status, words):
    monkeypatch.setattr(sys, "stdout", _Failing(code))
    assert PROGRAMS["numpy_gpt"](words) == status
    message = "error: cannot write to standard output: No space left on device; is there room?\n"
    assert capsys.readouterr().err == ("" if status == 0 else message)


def test_full_disk_ends_help_with_2():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        words = [sys.executable, "-m", "numpy_gpt", "train", "--help"]
        result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: cannot write to standard output")
    assert result.stderr.count("\n") == 1


def _shell(words, redirected):
    command = ["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_closed_input_is_empty():
    result = _shell(["-m", "handcalc.verify", "-"], "<&-")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: standard input contains no worked line")
    result = _shell(["-m", "handcalc.exercise", "--seed", "1"], "<&-")
    assert (result.returncode, result.stderr) == (0, "")
    assert "The answer: " in result.stdout


def test_a_pipe_without_a_reader():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as unread:
        words = [sys.executable, "-m", "numpy_gpt", "train", "tiny", *QUICK]
        result = subprocess.run(words, stdout=unread, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: cannot write to standard output: Broken pipe; everything else is done\n"
    assert load_checkpoint(Path("run")).step == 2
