"""The trainer: what it writes, and that it stops at any number that is not finite; signals are in test_stopping.py."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.throughput import ThroughputMeter
from numpy_gpt.shared.training.trainer import train
from parity_tests.shared.training.training_runs import Silent, engine_for, metrics_of, quick_recipe, train_in


def test_metrics_lines(tmp_path):
    last = train_in(quick_recipe(), tmp_path).current_evaluation
    lines = metrics_of(tmp_path)
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("evaluation", 0),
        *[("step", 5), ("step", 10), ("evaluation", 10)],
        *[("step", 15), ("step", 20), ("evaluation", 20)],
        *[("step", 25), ("step", 30), ("evaluation", 30)],
    ]
    assert lines[-1]["val_loss"] == last.val_loss
    assert all({"train_loss", "val_loss", "learning_rate"} <= set(line) for line in lines)
    assert all(line["val_loss"] is None for line in lines if line["kind"] == "step")


def test_last_evaluation_covers_all_windows(tmp_path):
    recipe = quick_recipe()
    last = train_in(recipe, tmp_path).current_evaluation
    engine = NumpyEngine(recipe, load_checkpoint(tmp_path).values)
    tokens = load_corpus("tiny").val
    losses = [engine.loss(tokens[None, i : i + 8], tokens[None, i + 1 : i + 9]) for i in range(len(tokens) - 8)]
    assert len(losses) == 332
    assert last.val_loss == pytest.approx(sum(losses) / 332, rel=1e-6)
    assert evaluate(engine, tokens, 8, stride=8) != last.val_loss


def test_temporary_metrics_are_removed(tmp_path):
    (tmp_path / ".metrics.jsonl.77-00c0ffee.tmp").write_text("{")
    train_in(quick_recipe(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.jsonl"]


def test_progress_shows_the_last_validation_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(ThroughputMeter, "is_display_due", lambda self: True)
    shown, evaluations = [], []
    display = Silent()
    display.progress, display.evaluation = shown.append, evaluations.append
    losses = iter([4.0, 2.0, 3.0, 2.5, 2.0])  # the last one is not the best

    def evaluate_run(engine, recipe, corpus, step, rate):
        return Evaluation(step, 1.0, next(losses), rate)

    monkeypatch.setattr("numpy_gpt.shared.training.trainer.evaluate_run", evaluate_run)
    recipe = quick_recipe(max_iters=40)
    train(recipe, engine_for(recipe), load_corpus("tiny"), tmp_path, display)
    known = {evaluation.step: evaluation.val_loss for evaluation in evaluations}
    assert min(known.values()) < known[30]
    assert len(shown) == 40
    for progress in shown:
        assert progress.val_loss == known[(progress.step - 1) // 10 * 10]


def test_evaluation_progress_counts_all_tokens(tmp_path):
    shown = []
    display = Silent()
    display.evaluation_progress = lambda step, tokens: shown.append((step, tokens))
    recipe, corpus = quick_recipe(max_iters=10, eval_iters=2, batch_size=4), load_corpus("tiny")
    train(recipe, engine_for(recipe), corpus, tmp_path, display)
    windows = 2 * (len(corpus.val) - 8)  # of the validation split and an equally long training excerpt
    for step in (0, 10):
        tokens = [tokens for at, tokens in shown if at == step]
        assert tokens == sorted(tokens)
        assert len(tokens) >= 4
        assert tokens[-1] == 8 * (windows + 2 * 2 * 4)


def test_bad_step_before_the_end(tmp_path):
    recipe = quick_recipe(max_iters=28, eval_interval=20, log_interval=100, dropout=0.0)
    engine = engine_for(recipe, kind="fast")
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
        train_in(recipe, tmp_path, engine)


@pytest.mark.parametrize("kind", ["numpy", "fast"])
def test_overflowing_update_names_the_parameter(tmp_path, kind):
    huge = {"learning_rate": 1e38, "min_lr": 1e38, "weight_decay": 1e38}  # their product is beyond float32
    recipe = quick_recipe(**huge, warmup_iters=0, log_interval=1, dropout=0.0)
    with pytest.raises(UserError, match=r"at step 1, where the parameter \S+ was the first to go bad; \S+ keeps its"):
        train_in(recipe, tmp_path, engine_for(recipe, kind=kind))


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        # this norm's output is still finite, but its cube is not
        (lambda values: values["h.1.ln_2.weight"].fill(1e38), "h.1.mlp.gelu.argument"),
        (lambda values: values["h.0.attn.c_attn.weight"].fill(np.float32(1e25)), "h.0.attn.scores"),
        (lambda values: values["ln_f.weight"].fill(np.inf), "the parameter ln_f.weight"),
    ],
)
def test_divergence_names_the_first_array(tmp_path, spoil, named, kind):
    recipe = quick_recipe(dropout=0.0)
    engine = engine_for(recipe, kind=kind)
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
        train_in(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 10


def _assign(parameter, array):
    if isinstance(parameter, np.ndarray):
        parameter[...] = array
    else:
        parameter.data.copy_(torch.from_numpy(array))


def test_divergence_names_a_gradient(tmp_path):
    recipe = quick_recipe()
    engine = engine_for(recipe)
    engine.first_not_finite = lambda step: "h.0.attn.dq"
    engine.training_step = lambda inputs, targets, step, rate: StepResult(1.0, math.inf)
    with pytest.raises(UserError, match=r"the gradient's norm must be finite, but is inf at step 0, where h.0.attn.dq"):
        train_in(recipe, tmp_path, engine)


def test_infinite_weights_replace_no_checkpoint(tmp_path):
    recipe = quick_recipe(eval_interval=5)
    engine = engine_for(recipe)
    step_of_engine = engine.training_step

    def training_step(inputs, targets, step, learning_rate):
        result = step_of_engine(inputs, targets, step, learning_rate)
        if step == 9:  # the last step before an evaluation
            engine.parameters["wte.weight"][3, 1] = np.nan
        return result

    engine.training_step = training_step
    with pytest.raises(UserError, match="loss must be finite, but is nan after step 10; no checkpoint of it was"):
        train_in(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 5


def test_nonfinite_loss_changes_no_parameter():
    recipe = quick_recipe()
    engine = engine_for(recipe)
    engine.parameters["wte.weight"][:] = np.inf
    before = engine.parameters.flat.copy()
    tokens = load_corpus("tiny").train[None, :9]
    result = engine.training_step(tokens[:, :-1], tokens[:, 1:], 0, 1.0)
    assert not math.isfinite(result.loss)
    assert np.array_equal(engine.parameters.flat, before)


def test_zero_steps(tmp_path):
    last = train_in(quick_recipe(max_iters=0), tmp_path).current_evaluation
    assert last.step == 0
    assert last.val_loss == pytest.approx(math.log(32), abs=0.05)  # an untrained model knows nothing
    assert load_checkpoint(tmp_path).step == 0


def test_too_short_text_is_refused(tmp_path):
    corpus = replace(load_corpus("tiny"), val=load_corpus("tiny").val[:5])
    with pytest.raises(UserError, match="needs 9 tokens and the text has 5"):
        train(quick_recipe(), engine_for(quick_recipe()), corpus, tmp_path / "run", Silent())
    assert not (tmp_path / "run" / "checkpoints").exists()
