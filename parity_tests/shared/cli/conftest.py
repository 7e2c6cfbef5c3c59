"""Each test of a command runs in an empty directory, with a quickly trained run if it asks for one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from numpy_gpt.cli import main
from parity_tests.shared.cli.programs import Run, runner

TRAINED = ["--max_iters", "60", "--eval_interval", "20", "--log_interval", "10", "--eval_iters", "3"]
QUICKLY = ["--learning_rate", "2e-2", "--warmup_iters", "5", "--dtype", "float64"]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def _trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "tiny", *TRAINED, *QUICKLY, "--out_dir", str(run)]) == 0
    return run


@pytest.fixture
def trained(_trained_once: Path) -> Path:
    """Return a run of 60 steps in float64 by numpy_gpt, in runs/tiny: this test's own copy."""
    return Path(shutil.copytree(_trained_once, Path("runs") / "tiny"))


@pytest.fixture(params=["numpy_gpt", "torch_gpt"])
def program(request: pytest.FixtureRequest) -> str:
    """Return each program's name in turn."""
    name: str = request.param
    return name


@pytest.fixture
def run(program: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs commands of each program in turn."""
    return runner(program, capsys)


@pytest.fixture
def numpy_run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs commands of numpy_gpt, for tests that do not depend on the program."""
    return runner("numpy_gpt", capsys)


@pytest.fixture
def torch_run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs commands of torch_gpt, for tests of what only that program has."""
    return runner("torch_gpt", capsys)
