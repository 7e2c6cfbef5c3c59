"""The trainer: what it writes, how it stops, and that going on is as if it had never stopped."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from gpt_data.corpora import load_corpus
from gpt_data.errors import UserError
from numpy_gpt import initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.checkpoint import load_checkpoint
from numpy_gpt.shared.presets import Recipe, preset
from numpy_gpt.shared.stopping import Interrupted
from numpy_gpt.shared.trainer import StepResult, evaluate, train


class _Silent:
    def progress(self, progress):
        pass

    def evaluation(self, evaluation):
        pass


def _recipe(**changes) -> Recipe:
    return preset("tiny").override({"max_iters": 30, "eval_interval": 10, "log_interval": 5, "dropout": 0.1, **changes})


def _engine(recipe, checkpoint=None):
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    return NumpyEngine(recipe, *((checkpoint.values, checkpoint.moments) if checkpoint else (values,)))


def _train(recipe, out_dir, engine=None, first_step=0):
    return train(recipe, engine or _engine(recipe), load_corpus("tiny"), out_dir, _Silent(), first_step)


def _metrics(out_dir):
    return [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]


def test_metrics_hold_every_evaluation_and_every_logged_step_at_full_precision(tmp_path):
    last = _train(_recipe(), tmp_path)
    lines = _metrics(tmp_path)
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("evaluation", 0),
        *[("step", 5), ("step", 10), ("evaluation", 10)],
        *[("step", 15), ("step", 20), ("evaluation", 20)],
        *[("step", 25), ("step", 30), ("evaluation", 30)],
    ]
    assert lines[-1]["val_loss"] == last.val_loss
    assert all({"train_loss", "val_loss", "learning_rate"} <= set(line) for line in lines)
    assert all(line["val_loss"] is None for line in lines if line["kind"] == "step")


def test_the_last_evaluation_is_that_of_the_saved_weights_over_all_windows(tmp_path):
    recipe = _recipe()
    last = _train(recipe, tmp_path)
    engine = NumpyEngine(recipe, load_checkpoint(tmp_path).values)
    tokens = load_corpus("tiny").val
    losses = [engine.loss(tokens[None, i : i + 8], tokens[None, i + 1 : i + 9]) for i in range(len(tokens) - 8)]
    assert len(losses) == 332
    assert last.val_loss == pytest.approx(sum(losses) / 332, rel=1e-6)
    assert evaluate(engine, tokens, 8, stride=8) != last.val_loss


@pytest.mark.parametrize("stop_at", [3, 10, 25])
def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_ends(tmp_path, stop_at):
    recipe = _recipe()
    _train(recipe, tmp_path / "whole")
    engine = _interrupting_engine(recipe, stop_at, signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        _train(recipe, tmp_path / "parts", engine)
    assert stopped.value.exit_status == 130
    assert f"after step {stop_at}" in str(stopped.value)
    checkpoint = load_checkpoint(tmp_path / "parts")
    assert checkpoint.step == stop_at
    _train(recipe, tmp_path / "parts", _engine(recipe, checkpoint), checkpoint.step)
    whole, parts = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    for one, other in zip((whole.values, *whole.moments), (parts.values, *parts.moments), strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert _metrics(tmp_path / "whole") == _metrics(tmp_path / "parts")


def test_a_termination_signal_saves_too_and_the_old_handlers_come_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    recipe = _recipe()
    with pytest.raises(Interrupted) as stopped:
        _train(recipe, tmp_path, _interrupting_engine(recipe, 7, signal.SIGTERM))
    assert stopped.value.exit_status == 143
    assert load_checkpoint(tmp_path).step == 7
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interrupt_does_not_wait(tmp_path):
    recipe = _recipe()
    engine = _interrupting_engine(recipe, 7, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _train(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 0  # the evaluation at the start saved one, and it is whole


def _interrupting_engine(recipe, stop_at, *signals):
    class Engine(NumpyEngine):
        def training_step(self, inputs, targets, step, learning_rate, **options):
            if step + 1 == stop_at:
                for number in signals:
                    os.kill(os.getpid(), number)
            return super().training_step(inputs, targets, step, learning_rate, **options)

    return Engine(recipe, initial_values(recipe.model, recipe.training.seed, recipe.training.dtype))


@pytest.mark.parametrize("result", [StepResult(math.nan, 1.0), StepResult(1.0, math.inf)])
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run_and_spares_the_checkpoint(tmp_path, result):
    recipe = _recipe()

    class Engine(NumpyEngine):
        def training_step(self, inputs, targets, step, learning_rate, **options):
            return result if step == 12 else super().training_step(inputs, targets, step, learning_rate, **options)

    engine = Engine(recipe, initial_values(recipe.model, 0, "float32"))
    with pytest.raises(UserError, match=r"must be finite, but is (nan|inf) at step 12"):
        _train(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 10


def test_the_engine_leaves_the_parameters_alone_when_the_loss_is_not_finite():
    recipe = _recipe()
    engine = _engine(recipe)
    engine.parameters["wte.weight"][:] = np.float32(3e38)
    before = engine.parameters.flat.copy()
    tokens = load_corpus("tiny").train[None, :9]
    result = engine.training_step(tokens[:, :-1], tokens[:, 1:], 0, 1.0)
    assert not math.isfinite(result.loss)
    assert np.array_equal(engine.parameters.flat, before)


def test_no_steps_at_all_are_an_evaluation_and_a_checkpoint(tmp_path):
    last = _train(_recipe(max_iters=0), tmp_path)
    assert last.step == 0
    assert last.val_loss == pytest.approx(math.log(32), abs=0.05)  # an untrained model knows nothing
    assert load_checkpoint(tmp_path).step == 0


def test_a_text_shorter_than_a_window_is_refused_before_anything_is_written(tmp_path):
    corpus = replace(load_corpus("tiny"), val=load_corpus("tiny").val[:5])
    with pytest.raises(UserError, match="needs 9 tokens and the text has 5"):
        train(_recipe(), _engine(_recipe()), corpus, tmp_path / "run", _Silent())
    assert not (tmp_path / "run" / "checkpoints").exists()
