"""A damaged newest checkpoint is said once, on stderr, by every command that reads a model; the one before is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handcalc import averaging, exercise, trace
from numpy_gpt.cli import main
from numpy_gpt.shared.runs.run_directory import load_newest
from parity_tests.support.command import run_numpy_gpt

COMMANDS = (
    ("sample", "{run}", "--max_new_tokens", "2"),
    ("sample", "{run}", "--checkpoint", "best", "--max_new_tokens", "2"),
    ("evaluate", "{run}", "--eval_stride", "none"),
    ("heads", "{run}", "--layer", "0"),
    ("step", "{run}", "--text", "hello world"),
    ("attention", "{run}", "--text", "hello world"),
    ("parameters", "--model", "{run}"),
)
DOORS = (
    (trace, ("hello world", "--model", "{run}", "--only", "logits")),
    (averaging, ("--text", "hello", "--model", "{run}")),
    (exercise, ("--worksheet", "1", "--seed", "1", "--model", "{run}")),
)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two checkpoints, of which the newer one has an empty file of weights."""
    run = tmp_path_factory.mktemp("damaged") / "run"
    assert main(["train", "tiny", "--max_iters", "4", "--eval_interval", "2", "--out_dir", str(run)]) == 0
    newest = load_newest(run)[0].path
    assert newest is not None
    (newest / "model.safetensors").write_bytes(b"")
    return run


def warnings_in(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_warn(words: tuple[str, ...], damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run_numpy_gpt(capsys, *(word.format(run=damaged) for word in words))
    (warning,) = warnings_in(err)
    assert status == 0
    assert "model.safetensors" in warning and "instead" in warning


@pytest.mark.parametrize(("door", "words"), DOORS, ids=lambda one: getattr(one, "__name__", " "))
def test_doors_of_handcalc_warn(
    door: Any, words: tuple[str, ...], damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main([word.format(run=damaged) for word in words]) == 0
    assert len(warnings_in(capsys.readouterr().err)) == 1
