"""The trainer: what it writes, how it stops, and that going on is as if it had never stopped."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt_data.corpora import load_corpus
from gpt_data.errors import UserError
from numpy_gpt import initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.engine_protocol import StepResult
from numpy_gpt.shared.evaluation import evaluate
from numpy_gpt.shared.presets import preset
from numpy_gpt.shared.recipe import Recipe
from numpy_gpt.shared.run_directory import load_checkpoint
from numpy_gpt.shared.run_state import RunState
from numpy_gpt.shared.speed import Pace
from numpy_gpt.shared.stopping import Interrupted, StopSignals
from numpy_gpt.shared.trainer import train
from parity_tests.kills import contents
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine


class _Silent:
    def progress(self, progress):
        pass

    def evaluation(self, evaluation):
        pass


def _recipe(**changes) -> Recipe:
    return preset("tiny").override({"max_iters": 30, "eval_interval": 10, "log_interval": 5, "dropout": 0.1, **changes})


def _engine(recipe, checkpoint=None, kind="numpy"):
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    start = (checkpoint.values, checkpoint.moments) if checkpoint else (values, None)
    if kind == "numpy":
        return NumpyEngine(recipe, *start)
    if kind == "fast":
        return FastEngine(recipe, *start, "cpu")
    return TorchEngine(recipe, *start, "cpu", fused=kind == "torch fused")


def _train(recipe, out_dir, engine=None, state=None):
    return train(recipe, engine or _engine(recipe), load_corpus("tiny"), out_dir, _Silent(), state)


def _resume(recipe, out_dir, kind="numpy"):
    checkpoint = load_checkpoint(out_dir)
    return _train(recipe, out_dir, _engine(recipe, checkpoint, kind), RunState.from_dict(checkpoint.state))


def _metrics(out_dir):
    return [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]


def test_metrics_hold_every_evaluation_and_every_logged_step_at_full_precision(tmp_path):
    last = _train(_recipe(), tmp_path).evaluated
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
    last = _train(recipe, tmp_path).evaluated
    engine = NumpyEngine(recipe, load_checkpoint(tmp_path).values)
    tokens = load_corpus("tiny").val
    losses = [engine.loss(tokens[None, i : i + 8], tokens[None, i + 1 : i + 9]) for i in range(len(tokens) - 8)]
    assert len(losses) == 332
    assert last.val_loss == pytest.approx(sum(losses) / 332, rel=1e-6)
    assert evaluate(engine, tokens, 8, stride=8) != last.val_loss


@pytest.mark.parametrize("stop_at", [3, 10, 25])
@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
def test_a_resumed_run_ends_byte_for_byte_where_an_uninterrupted_one_ends(tmp_path, stop_at, kind):
    recipe = _recipe(gradient_accumulation_steps=2, eval_iters=2)
    _train(recipe, tmp_path / "whole", _engine(recipe, kind=kind))
    engine = _interrupted(_engine(recipe, kind=kind), stop_at, signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        _train(recipe, tmp_path / "parts", engine)
    assert stopped.value.exit_status == 130
    assert f"after step {stop_at}" in str(stopped.value)
    assert load_checkpoint(tmp_path / "parts").step == stop_at
    _resume(recipe, tmp_path / "parts", kind)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_what_a_process_left_that_was_killed_while_it_rewrote_the_metrics_is_swept_up(tmp_path):
    (tmp_path / ".metrics.jsonl.77-0.tmp").write_text("{")
    _train(_recipe(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.jsonl"]


def test_a_termination_signal_saves_too_and_the_old_handlers_come_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    recipe = _recipe()
    with pytest.raises(Interrupted) as stopped:
        _train(recipe, tmp_path, _interrupted(_engine(recipe), 7, signal.SIGTERM))
    assert stopped.value.exit_status == 143
    assert load_checkpoint(tmp_path).step == 7
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_came_before_training_began_is_not_forgotten(tmp_path):
    recipe = _recipe()
    with StopSignals(), pytest.raises(Interrupted) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        _train(recipe, tmp_path)
    assert stopped.value.exit_status == 143
    assert load_checkpoint(tmp_path).step == 0  # not even the first evaluation is waited for


@pytest.mark.parametrize("kind", ["numpy", "torch", "fast"])
@pytest.mark.parametrize("stop_at", [0, 20, 30])
def test_an_evaluation_is_not_waited_for_and_made_anew_by_the_run_that_goes_on(tmp_path, stop_at, kind):
    recipe = _recipe(eval_iters=2)
    _train(recipe, tmp_path / "whole", _engine(recipe, kind=kind))
    engine = _engine(recipe, kind=kind)
    mean_loss, evaluations = engine.mean_loss, [0]

    def interrupted(batches):
        for place, batch in enumerate(batches):
            evaluations[0] += place == 0
            if place == 1 and evaluations[0] == 4 * (stop_at // 10) + 3:  # of four losses the third, after one batch
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    engine.mean_loss = lambda batches: mean_loss(interrupted(batches))
    with pytest.raises(Interrupted) as stopped:
        _train(recipe, tmp_path / "parts", engine)
    assert (stopped.value.exit_status, load_checkpoint(tmp_path / "parts").step) == (143, stop_at)
    assert evaluations[0] == 4 * (stop_at // 10) + 3
    assert [line["step"] for line in _metrics(tmp_path / "parts")][-1:] == [stop_at][: stop_at > 0]
    _resume(recipe, tmp_path / "parts", kind)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_the_validation_loss_beside_the_progress_is_the_last_one_and_not_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(Pace, "due", lambda self: True)
    shown, evaluations = [], []
    display = _Silent()
    display.progress, display.evaluation = shown.append, evaluations.append
    # A rate that makes it worse again.
    recipe = _recipe(max_iters=40, learning_rate=0.5, warmup_iters=0, dropout=0.0)
    train(recipe, _engine(recipe), load_corpus("tiny"), tmp_path, display)
    known = {evaluation.step: evaluation.val_loss for evaluation in evaluations}
    assert min(known.values()) < known[30]
    assert len(shown) == 40
    for progress in shown:
        assert progress.val_loss == known[(progress.step - 1) // 10 * 10]


def test_a_bad_step_among_the_last_ones_is_found_even_if_nothing_is_waited_for(tmp_path):
    recipe = _recipe(max_iters=28, eval_interval=20, log_interval=100, dropout=0.0)
    engine = _engine(recipe, kind="fast")
    step_of_engine = engine.take_step

    def take_step(step, learning_rate):
        if step == 23:
            with torch.no_grad():
                engine.parameters["ln_f.weight"].fill_(float("inf"))
        step_of_engine(step, learning_rate)
        if step == 23:
            with torch.no_grad():
                engine.parameters["ln_f.weight"].fill_(1.0)

    engine.take_step = take_step
    with pytest.raises(UserError, match="the loss must be finite, but is nan at step 23"):
        _train(recipe, tmp_path, engine)


@pytest.mark.parametrize("kind", ["numpy", "fast"])
def test_an_update_that_overflows_is_told_as_what_it_is_and_without_warnings(tmp_path, kind):
    recipe = _recipe(learning_rate=1e38, min_lr=1e38, warmup_iters=0, log_interval=1)
    with pytest.raises(UserError, match=r"at step 1, where the parameter \S+ was the first to go bad; \S+ keeps its"):
        _train(recipe, tmp_path, _engine(recipe, kind=kind))


def test_a_second_interrupt_does_not_wait(tmp_path):
    recipe = _recipe()
    engine = _interrupted(_engine(recipe), 7, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _train(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 0  # the evaluation at the start saved one, and it is whole


def test_two_termination_signals_still_end_with_a_checkpoint(tmp_path):
    recipe = _recipe()
    with pytest.raises(Interrupted):
        _train(recipe, tmp_path, _interrupted(_engine(recipe), 7, signal.SIGTERM, signal.SIGTERM))
    assert load_checkpoint(tmp_path).step == 7


def _interrupted(engine, stop_at, *signals):
    step_of_engine = engine.training_step

    def training_step(inputs, targets, step, learning_rate, **options):
        if step + 1 == stop_at:
            for number in signals:
                os.kill(os.getpid(), number)
        return step_of_engine(inputs, targets, step, learning_rate, **options)

    engine.training_step = training_step
    return engine


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        # what comes out of this norm is finite still, but not its cube
        (lambda values: values["h.1.ln_2.weight"].fill(1e38), "h.1.mlp.gelu.argument"),
        (lambda values: values["h.0.attn.c_attn.weight"].fill(np.float32(1e25)), "h.0.attn.scores"),
        (lambda values: values["ln_f.weight"].fill(np.inf), "the parameter ln_f.weight"),
    ],
)
def test_what_is_not_finite_stops_the_run_with_the_name_of_the_first_array(tmp_path, spoil, named, kind):
    recipe = _recipe(dropout=0.0)
    engine = _engine(recipe, kind=kind)
    step_of_engine = engine.training_step

    def training_step(inputs, targets, step, learning_rate):
        if step == 12:
            values = {name: array.copy() for name, array in engine.values().items()}
            spoil(values)
            for name, array in values.items():
                _assign(engine.parameters[name], array)
        return step_of_engine(inputs, targets, step, learning_rate)

    engine.training_step = training_step
    with pytest.raises(UserError, match=rf"at step 12, where {named} was the first to go bad; .* keeps its last"):
        _train(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 10


def _assign(parameter, array):
    if isinstance(parameter, np.ndarray):
        parameter[...] = array
    else:
        parameter.data.copy_(torch.from_numpy(array))


def test_a_gradient_that_alone_is_not_finite_is_named(tmp_path):
    recipe = _recipe()
    engine = _engine(recipe)
    engine.first_not_finite = lambda step: "h.0.attn.dq"
    engine.training_step = lambda inputs, targets, step, rate: StepResult(1.0, math.inf)
    with pytest.raises(UserError, match=r"the gradient's norm must be finite, but is inf at step 0, where h.0.attn.dq"):
        _train(recipe, tmp_path, engine)


def test_weights_that_a_step_made_infinite_never_replace_a_checkpoint(tmp_path):
    recipe = _recipe(eval_interval=5)
    engine = _engine(recipe)
    step_of_engine = engine.training_step

    def training_step(inputs, targets, step, learning_rate):
        result = step_of_engine(inputs, targets, step, learning_rate)
        if step == 9:  # the last step before an evaluation
            engine.parameters["wte.weight"][3, 1] = np.nan
        return result

    engine.training_step = training_step
    with pytest.raises(UserError, match="loss must be finite, but is nan after step 10; no checkpoint was written"):
        _train(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 5


def test_the_engine_leaves_the_parameters_alone_when_the_loss_is_not_finite():
    recipe = _recipe()
    engine = _engine(recipe)
    engine.parameters["wte.weight"][:] = np.inf
    before = engine.parameters.flat.copy()
    tokens = load_corpus("tiny").train[None, :9]
    result = engine.training_step(tokens[:, :-1], tokens[:, 1:], 0, 1.0)
    assert not math.isfinite(result.loss)
    assert np.array_equal(engine.parameters.flat, before)


def test_no_steps_at_all_are_an_evaluation_and_a_checkpoint(tmp_path):
    last = _train(_recipe(max_iters=0), tmp_path).evaluated
    assert last.step == 0
    assert last.val_loss == pytest.approx(math.log(32), abs=0.05)  # an untrained model knows nothing
    assert load_checkpoint(tmp_path).step == 0


def test_a_text_shorter_than_a_window_is_refused_before_anything_is_written(tmp_path):
    corpus = replace(load_corpus("tiny"), val=load_corpus("tiny").val[:5])
    with pytest.raises(UserError, match="needs 9 tokens and the text has 5"):
        train(_recipe(), _engine(_recipe()), corpus, tmp_path / "run", _Silent())
    assert not (tmp_path / "run" / "checkpoints").exists()
