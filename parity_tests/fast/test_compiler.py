"""What is compiled is the same function, or it is not used: no compiler, wrong code, a cache of another kind of CPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from torch_gpt.fast import compiler
from torch_gpt.fast.engine import FastEngine, FastOptions

CORPUS = load_corpus("tiny")
STEPS = 3


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Set the user's cache to an empty directory."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _train(compiled, monkeypatch, **changes):
    """Return the losses of three steps and the notes; ``compiled`` replaces torch.compile."""
    monkeypatch.setattr(torch, "compile", compiled)
    recipe, notes, losses = preset("tiny").override(changes), [], []
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.weights_dtype)
    engine = FastEngine(recipe, values, None, "cpu", FastOptions(compile=True), report=notes.append)
    engine.begin(CORPUS.train)
    for step in range(STEPS):
        engine.take_step(step, 1e-3)
        losses.append(engine.latest()[1].loss)
    return losses, notes


def _uncompiled(function):
    return function


def test_without_a_compiler_training_continues(monkeypatch):
    def broken(function):
        def call(*arguments):
            raise RuntimeError("no compiler\nfor this machine")

        return call

    losses, notes = _train(broken, monkeypatch)
    assert losses == _train(_uncompiled, monkeypatch)[0]
    (note,) = notes
    assert "torch.compile is unavailable" in note


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda loss: 0.8 * loss, id="loss"),
        pytest.param(lambda loss: torch.nan * loss, id="nan"),
        pytest.param(lambda loss: 2 * loss - loss.detach(), id="gradient"),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_wrong_code_is_not_used(wrong, dtype, monkeypatch):
    def compiled(function):
        return lambda *arguments: wrong(function(*arguments))

    losses, notes = _train(compiled, monkeypatch, dtype=dtype)
    assert losses == _train(_uncompiled, monkeypatch, dtype=dtype)[0]
    (note,) = notes
    assert re.search(r"torch.compile is wrong here, .* not 3\.4", note)


def test_dropout_draws_other_masks_and_is_not_compared(monkeypatch):
    assert _train(lambda function: lambda *arguments: 0.8 * function(*arguments), monkeypatch, dropout=0.1)[1] == []


def test_each_kind_of_cpu_has_its_own_cache(cache, monkeypatch):
    used = []
    for capability in ("AVX512", "AVX512", "AVX2"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        monkeypatch.setenv(compiler.CACHE, str(cache))
        for _ in range(2):  # a second engine in the same process does not go deeper
            compiler.use_cache_of_this_cpu()
        used.append(os.environ[compiler.CACHE])
    assert used[0] == used[1] != used[2]
    assert {Path(path).parent for path in used} == {cache}


@pytest.mark.prove
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="this CPU has only one kind of code")
def test_a_cache_that_another_kind_of_cpu_filled_changes_no_loss(tmp_path):
    best = torch.backends.cpu.get_cpu_capability().lower()
    words = ["train", "tiny", "--device", "cpu", "--max_iters", "8", "--warmup_iters", "2"]
    evaluations = []
    for number, (capability, flags) in enumerate([(best, ["--compile"]), ("avx2", ["--compile"]), ("avx2", [])]):
        command = [sys.executable, "-m", "torch_gpt", *words, *flags, "--out_dir", str(tmp_path / str(number))]
        done = subprocess.run(
            command, env={**os.environ, "ATEN_CPU_CAPABILITY": capability}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "note" not in done.stderr
        evaluations.append(re.findall(r"^step .* val_loss (\S+)", done.stdout, re.MULTILINE))
    assert len(evaluations[0]) == 2
    for place in range(2):
        # A few roundings of a loss near 3.4 are 1e-6; the wrong code's loss was 2.8, or NaN.
        assert (
            max(float(found[place]) for found in evaluations) - min(float(found[place]) for found in evaluations) < 1e-3
        )
