"""Averaged weights: the same in all engines, evaluated, sampled, saved and resumed; training never uses them."""

from __future__ import annotations

import math
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.adamw import update_ema
from numpy_gpt.cli import main as numpy_gpt
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.process_group import SingleProcess
from numpy_gpt.shared.training.schedule import ema_weight, learning_rate_at
from torch_gpt.adamw import update_ema as average_weights_in_torch
from torch_gpt.cli import main as torch_gpt
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine

CORPUS = load_corpus("tiny")
KINDS = ("numpy", "torch", "torch fused", "torch fast")
_WARM_UP = 20


def _recipe(ema_decay=0.9, **changes):
    return preset("tiny").override({"dtype": "float64", "ema_decay": ema_decay, "warmup_iters": _WARM_UP, **changes})


def _engine(kind, recipe, start=None):
    values, moments, trained = start or (initial_values(recipe.model, 7, "float64"), None, None)
    if kind == "numpy":
        engine = NumpyEngine(recipe, values, moments, trained)
    elif kind == "torch fast":
        engine = FastEngine(recipe, values, moments, "cpu", trained=trained)
    else:
        engine = TorchEngine(recipe, values, moments, "cpu", kind == "torch fused", trained)
    engine.begin(CORPUS.train)
    return engine


def _copy(values):
    return {name: np.array(value) for name, value in values.items()}


def _steps(engine, first, last):
    for step in range(first, last):
        engine.take_step(step, learning_rate_at(step, **engine.recipe.training.schedule()))


def test_the_weight_is_the_derivations():
    assert ema_weight(1, 0.999) == pytest.approx(9 / 11)
    assert ema_weight(100_000, 0.999) == pytest.approx(0.001)
    assert ema_weight(5, 0.0) == 1
    left = math.prod(Fraction(1 + step, 10 + step) for step in range(1, 41))  # (13.12): what the initial values count
    assert left == Fraction(math.factorial(10), math.prod(range(42, 51)))
    assert math.prod(1 - ema_weight(step, 0.999) for step in range(1, 41)) == pytest.approx(float(left))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_twins_average_identically(dtype):
    config = preset("tiny").model
    averages, weights = (parameters_from(config, initial_values(config, seed, dtype)) for seed in (1, 2))
    theirs, tensors = ({name: torch.tensor(value) for name, value in part.items()} for part in (averages, weights))
    expected = {name: value + (weights[name] - value) * np.asarray(0.3, dtype) for name, value in averages.items()}
    update_ema(averages, weights, 0.3)
    average_weights_in_torch(theirs, tensors, 0.3)
    for name, value in expected.items():
        assert value.dtype == dtype
        assert np.array_equal(averages[name], value)
        assert np.array_equal(theirs[name].numpy(), value)


@pytest.mark.parametrize("kind", KINDS)
def test_averaging_does_not_change_training(kind):
    plain, engine = _engine(kind, _recipe(0.0)), _engine(kind, _recipe())
    expected = _copy(plain.values())
    for step in range(30):
        _steps(plain, step, step + 1)
        _steps(engine, step, step + 1)
        share = 1 - min(0.9, (2 + step) / (11 + step))
        for name, weights in plain.values().items():
            expected[name] += (weights - expected[name]) * share
    assert plain.trained_values() is None
    trained = engine.trained_values()
    for name, value in expected.items():
        assert np.array_equal(trained[name], plain.values()[name])
        np.testing.assert_allclose(engine.values()[name], value, rtol=0, atol=1e-15)
    assert np.abs(trained["wte.weight"] - engine.values()["wte.weight"]).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_is_evaluated_and_sampled(kind):
    engine = _engine(kind, _recipe())
    _steps(engine, 0, 40)
    averages, trained = _copy(engine.values()), _copy(engine.trained_values())
    plain = _engine(kind, _recipe(0.0), (averages, None, None))
    inputs, targets = CORPUS.val[None, :8], CORPUS.val[None, 1:9]
    assert engine.loss(inputs, targets) == plain.loss(inputs, targets)
    assert engine.mean_loss([(inputs, targets)]) == plain.mean_loss([(inputs, targets)])
    assert np.array_equal(engine.predict(inputs), plain.predict(inputs))
    draws = [[draw.token for draw in each.draws([1], np.linspace(0.1, 0.9, 12))] for each in (engine, plain)]
    assert draws[0] == draws[1]
    for name, value in trained.items():  # and none of that has moved anything
        assert np.array_equal(engine.trained_values()[name], value)
        assert np.array_equal(engine.values()[name], averages[name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_engine_ends_at_equal_bits(kind):
    whole, first = _engine(kind, _recipe(dropout=0.1)), _engine(kind, _recipe(dropout=0.1))
    _steps(whole, 0, 30)
    _steps(first, 0, 11)
    start = (_copy(first.values()), [_copy(part) for part in first.moments()], _copy(first.trained_values()))
    second = _engine(kind, _recipe(dropout=0.1), start)
    _steps(second, 11, 30)
    for name, value in whole.values().items():
        assert np.array_equal(second.values()[name], value)
        assert np.array_equal(second.trained_values()[name], whole.trained_values()[name])


def test_a_bad_step_leaves_the_average(monkeypatch):
    engine = _engine("torch fast", _recipe())
    _steps(engine, 0, 5)
    forward = engine.module.forward
    monkeypatch.setattr(engine.module, "forward", lambda *batch: forward(*batch) * math.nan)
    before = _copy(engine.values())
    _steps(engine, 5, 8)
    assert engine.latest()[0] == 5
    for name, value in before.items():
        assert np.array_equal(engine.values()[name], value)


@pytest.mark.parametrize("program", [numpy_gpt, torch_gpt])
def test_a_resumed_run_ends_with_equal_bytes(program, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--ema_decay", "0.95", "--eval_interval", "20", "--warmup_iters", "5"]
    more = [] if program is numpy_gpt else ["--device", "cpu"]
    assert program(["train", "tiny", "--max_iters", "40", *flags, "--out_dir", "whole", *more]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(
            SingleProcess, "agree_on_signal", lambda team, received, step: signal.SIGINT if step == 24 else received
        )
        assert program(["train", "tiny", "--max_iters", "40", *flags, "--out_dir", "halves", *more]) == 130
    stopped = load_checkpoint(Path("halves"))
    assert stopped.step == 25
    assert program(["train", "--resume", "halves", *more]) == 0
    for file in ("model.safetensors", "optimizer.safetensors"):
        last = Path("checkpoints") / "step-000000040" / file
        assert (Path("whole") / last).read_bytes() == (Path("halves") / last).read_bytes()
    model = load_checkpoint(Path("whole"))
    assert not np.array_equal(model.trained["wte.weight"], model.values["wte.weight"])
    capsys.readouterr()
    assert program(["evaluate", "whole", *more]) == 0
    assert f"{model.facts['val_loss']:.6f}" in capsys.readouterr().out


def test_a_bad_decay_is_one_line():
    with pytest.raises(UserError, match=r"ema_decay must be in \[0, 1\), not 1"):
        _recipe(1.0)
