"""Both twins in turn, as a user of the library imports them, and their commands."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import pytest

import numpy_gpt
import torch_gpt
from parity_tests.shared.cli.programs import Run, runner


@pytest.fixture(params=[numpy_gpt, torch_gpt], ids=lambda twin: twin.__name__)
def twin(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture
def load_model(twin: ModuleType) -> Any:
    return on_cpu(twin, twin.load_model)


@pytest.fixture
def train(twin: ModuleType) -> Any:
    return partial(on_cpu(twin, twin.train), progress=False)


@pytest.fixture
def run(twin: ModuleType, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(twin.__name__, capsys)


def on_cpu(twin: ModuleType, function: Any) -> Any:
    return partial(function, device="cpu") if twin is torch_gpt else function
