"""The fast engine is the same function: step by step, in one process, in every precision, compiled, and resumed."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import torch

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.schedule import learning_rate_at
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT, allowed_by, controls, lockstep, new_engine
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine, FastOptions

CORPUS = load_corpus("tiny")


def _recipe(**changes):
    return preset("tiny").override(changes)


def _fast(recipe, how=None, **options):
    training = recipe.training
    values = initial_values(recipe.model, training.seed, "float64" if training.dtype == "float64" else "float32")
    engine = FastEngine(recipe, values, None, "cpu", how, **options)
    engine.begin(CORPUS.train)
    return engine


def _losses(engine, steps, first=0):
    found = []
    for step in range(first, first + steps):
        engine.take_step(step, learning_rate_at(step, **engine.recipe.training.schedule()))
        found.append(engine.latest()[1].loss)
    return np.array(found)


def test_parameters_have_the_common_names_and_order():
    engine = _fast(_recipe(bias=True, tie_weights=False))
    assert {name: tuple(value.shape) for name, value in engine.values().items()} == parameter_shapes(
        engine.recipe.model
    )
    assert set(engine.parameters) == set(parameter_shapes(engine.recipe.model))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("steps", "parts"), [(40, 2), *(pytest.param(200, parts, marks=pytest.mark.prove) for parts in (1, 2))]
)
def test_drift_is_that_of_rounding(dtype, steps, parts):
    recipe = _recipe(dtype=dtype, gradient_accumulation_steps=parts)
    explicit = new_engine(TorchEngine, recipe, None, "cpu", False)
    explicit.begin(CORPUS.train)
    apart = np.abs(_losses(_fast(recipe), steps) - _losses(explicit, steps))
    control = recipe.override({"gradient_accumulation_steps": 1, "batch_size": 16 * parts})
    runs = lockstep(control, new_engine(NumpyEngine, control), controls(control), steps)
    allowed = allowed_by(runs, "loss", dtype)
    assert_close(f"loss after a step (fast, {parts} batches), {dtype}", apart, np.zeros(steps), allowed)


def test_half_precision_learns_too():
    steps = 80
    exact = _losses(_fast(_recipe(batch_size=64)), steps)
    assert exact[-1] < exact[0] - 0.05
    for dtype, unit in (("bfloat16", 2.0**-9), ("float16", 2.0**-12)):
        halved = _losses(_fast(_recipe(batch_size=64, dtype=dtype)), steps)
        # The first loss is that of the same weights: off by a few roundings of logits of about 0.1. Afterwards the runs
        # diverge: over five seeds by at most 2e-4 in these 80 steps, in which the loss falls by 0.1.
        assert abs(halved[0] - exact[0]) < 4 * unit * 0.5
        assert np.abs(halved - exact).max() < 5e-3


def test_it_evaluates_as_the_explicit_path_does():
    recipe = _recipe(dtype="float64")
    fast, explicit = _fast(recipe), new_engine(TorchEngine, recipe, None, "cpu", False)
    loss = evaluate(explicit, CORPUS.val, 8, 1)
    assert_close("loss of a split", evaluate(fast, CORPUS.val, 8, 1), loss, 64 * UNIT["float64"] * loss)


def test_dropout_is_for_training_only():
    recipe = _recipe(dropout=0.5, dtype="float64")
    engine, plain = _fast(recipe), _fast(_recipe(dtype="float64"))
    assert evaluate(engine, CORPUS.val, 8, 8) == evaluate(plain, CORPUS.val, 8, 8)
    assert _losses(engine, 1)[0] != _losses(plain, 1)[0]
    assert _losses(_fast(recipe), 3).tolist() == _losses(_fast(recipe), 3).tolist()  # and always drops the same


def test_seeding_the_device_is_torchs_seeding():
    engine = _fast(_recipe(dropout=0.5))
    engine._manual_seed(77)
    drawn = torch.rand(8)
    torch.manual_seed(77)
    assert torch.equal(drawn, torch.rand(8))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_a_resumed_engine_ends_at_the_same_bits(dtype):
    recipe = _recipe(dropout=0.1, dtype=dtype)
    whole = _fast(recipe)
    _losses(whole, 30)
    first = _fast(recipe)
    _losses(first, 11)
    state = first.engine_state()
    second = FastEngine(recipe, first.values(), first.moments(), "cpu", None, state=state)
    second.begin(CORPUS.train)
    _losses(second, 19, first=11)
    for name, value in whole.values().items():
        assert np.array_equal(second.values()[name], value), name
    assert second.engine_state() == whole.engine_state()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, r"engine_state\.scaler is missing"),
        ({"scaler": {}}, r"engine_state\.scaler\.scale is missing"),
        ({"scaler": {"scale": "1"}}, r"engine_state\.scaler\.growth_factor is missing"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    values = _fast(_recipe()).values()
    with pytest.raises(UserError, match=message):
        FastEngine(_recipe(dtype="float16"), values, None, "cpu", None, state=state)


@pytest.mark.parametrize("spoilt", ["wte.weight", "h.0.mlp.c_fc.weight"])
def test_after_a_bad_step_nothing_changes(spoilt):
    engine = _fast(_recipe())
    for step in range(12):
        if step == 7:
            with torch.no_grad():
                engine.parameters[spoilt][0, 0] = float("nan")
            before = {name: value.copy() for name, value in engine.values().items()}
            moments = [{name: value.copy() for name, value in part.items()} for part in engine.moments()]
        engine.take_step(step, 1e-2)
    step, result = engine.latest()
    assert step == 7
    assert np.isnan(result.loss)
    assert engine.first_not_finite(step) == f"the parameter {spoilt}"
    for name, value in before.items():
        assert np.array_equal(engine.values()[name], value, equal_nan=True)
    for part, old in zip(engine.moments(), moments, strict=True):
        assert all(np.array_equal(part[name], old[name]) for name in old)


def test_out_of_memory_names_a_batch_that_fits(monkeypatch):
    engine = _fast(_recipe(batch_size=24))
    forward = engine.module.forward

    def limited(tokens, targets):
        if len(tokens) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(tokens, targets)

    monkeypatch.setattr(engine.module, "forward", limited)
    with pytest.raises(UserError, match=r"batch_size=24 does not fit .*; 6 would, and with 4 times as many --gradient"):
        engine.take_step(0, 1e-3)
    monkeypatch.setattr(engine.module, "forward", lambda tokens, targets: limited(tokens.repeat(8, 1), targets))
    with pytest.raises(UserError, match="not even a batch of one fits"):
        engine.take_step(0, 1e-3)


@pytest.mark.prove
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on the CPU")
def test_compiled_it_takes_the_same_steps():
    steps, recipe = 20, _recipe(dtype="float64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        compiled = _losses(_fast(recipe, FastOptions(compile=True)), steps)
    allowed = allowed_by(lockstep(recipe, new_engine(NumpyEngine, recipe), controls(recipe), steps), "loss", "float64")
    assert_close("loss of a step (fast, compiled)", compiled, _losses(_fast(recipe), steps), allowed)
