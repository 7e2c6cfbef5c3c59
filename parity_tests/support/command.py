"""Running the command ``numpy_gpt`` in this process."""

from __future__ import annotations

from typing import Any

from numpy_gpt.cli import main

QUICK = ["train", "tiny", "--max_iters", "20", "--eval_interval", "10"]
"""A training run that takes a moment."""


def run_numpy_gpt(capsys: Any, *argv: object) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr of the command with these arguments."""
    status = main([str(word) for word in argv])
    out, err = capsys.readouterr()
    return status, out, err
