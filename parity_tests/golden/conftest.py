"""Each test runs in an empty directory; the default pack is written once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpy_gpt import golden_pack
from numpy_gpt.golden.pack.reading import Pack
from parity_tests.shared.cli.programs import Run, runner


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def default_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Return the default pack, which no test may change."""
    return golden_pack(tmp_path_factory.mktemp("packs") / "golden")


@pytest.fixture(scope="session")
def arrays(default_pack: Pack) -> dict[str, Any]:
    """Return all of its arrays."""
    return {name: np.array(array) for name, array in default_pack.arrays.items()}


@pytest.fixture
def own_pack(default_pack: Pack) -> Path:
    """Return the directory golden, a copy of the default pack: this test's own."""
    return Path(shutil.copytree(default_pack.place, "golden"))


@pytest.fixture
def small(default_pack: Pack) -> Pack:
    """Return a pack of one step and few arrays."""
    return golden_pack("small", steps=1, level="ends")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs commands of numpy_gpt."""
    return runner("numpy_gpt", capsys)
