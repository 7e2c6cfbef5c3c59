"""Numbers that overflow: one clear line where the result is not finite, and never a warning from inside NumPy."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import assert_rejected


def _errors(result):
    return [line for line in result.err.splitlines() if not line.startswith("device: ")]


@pytest.fixture(params=[("float32", 1e30), ("float64", 1e100), ("float64", 1e307)], ids=str)
def large(request):
    """Return a checkpoint with weights so large that their products overflow."""
    dtype, scale = request.param
    shipped = load_checkpoint(SHIPPED_MODEL)
    values = {name: value.astype(dtype) * np.dtype(dtype).type(scale) for name, value in shipped.values.items()}
    save_checkpoint(Path("large"), replace(shipped, values=values))
    return "large"


@pytest.mark.parametrize(
    "command",
    [
        "sample --max_new_tokens 3",
        "evaluate --eval_iters 1",
        "step --text=hello\\ world",
        "attention --text=hello",
        "heads",
    ],
)
def test_a_model_that_overflows(run, large, command):
    name, *flags = shlex.split(command)
    result = run(name, large, *flags)  # a warning would be an exception
    assert result.status in (0, 2)
    assert len(_errors(result)) == result.status // 2


@pytest.mark.parametrize(("rate", "dtype"), [(1e30, "float32"), (1e150, "float64"), (1e300, "float64")])
def test_training_that_overflows(run, rate, dtype):
    words = ["--max_iters", 4, "--warmup_iters", 0, "--eval_stride", "none"]
    result = run("train", "tiny", *words, "--learning_rate", rate, "--dtype", dtype)
    assert result.status == 2
    (error,) = _errors(result)
    assert "must be finite, but is" in error
    assert "try a lower learning_rate" in error


@pytest.mark.parametrize("flag", ["learning_rate", "min_lr", "weight_decay", "grad_clip", "adam_epsilon"])
def test_numbers_beyond_float32(run, flag):
    result = run("train", "tiny", f"--{flag}", "1e39")
    assert_rejected(result, f"{flag} must be at most 3.40282e+38, the largest number in float32, not 1e+39")
    assert not Path("runs").exists()
