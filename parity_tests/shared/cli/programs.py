"""Running a command of either program in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from numpy_gpt.cli import main as numpy_gpt
from torch_gpt.cli import main as torch_gpt

PROGRAMS = {"numpy_gpt": numpy_gpt, "torch_gpt": torch_gpt}
DEVICE_COMMANDS = ("train", "sample", "step", "attention", "heads", "evaluate", "compare")
"""The commands that make an engine: in torch_gpt they have the flag --device."""


class Result(NamedTuple):
    """A command's exit status and output."""

    status: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The last line of a successful command's stdout as JSON, which must not contain NaN or infinity."""

        def refuse(constant: str) -> float:
            raise ValueError(f"{constant} is not JSON")

        assert self.status == 0, self  # which shows the error
        record: dict[str, Any] = json.loads(self.out.splitlines()[-1], parse_constant=refuse)
        return record


Run = Callable[..., Result]


def run_program(program: str, capsys: pytest.CaptureFixture[str], *argv: object) -> Result:
    """Run a command; torch_gpt runs on the CPU, as numpy_gpt does."""
    words = [str(word) for word in argv]
    if program == "torch_gpt" and words[0] in DEVICE_COMMANDS:
        words += ["--device", "cpu"]
    capsys.readouterr()
    status = PROGRAMS[program](words)
    return Result(status, *capsys.readouterr())


def runner(program: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a program's commands."""
    return partial(run_program, program, capsys)


def assert_rejected(result: Result, message: str) -> None:
    """Assert that the command ended with a user error: one line on stderr, nothing on stdout, status 2."""
    lines = [line for line in result.err.splitlines() if not line.startswith("device: ")]
    assert result.status == 2, result
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert result.out == ""
