"""Losses over a whole split, nanoGPT's estimate, early stopping and the best checkpoint."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.batches import BatchSampler
from numpy_gpt import initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.runs.run_state import Evaluation
from numpy_gpt.shared.training import evaluation
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.evaluation import evaluate, evaluate_run, loss_estimates
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.stopping import Diverged
from numpy_gpt.shared.training.trainer import train
from parity_tests.shared.training.training_runs import Silent
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine

CORPUS = load_corpus("tiny")


def _engine(**changes):
    recipe = preset("tiny").override({"dtype": "float64", **changes})
    return NumpyEngine(recipe, initial_values(recipe.model, 1, "float64"))


def test_estimate_is_a_mean_of_batches():
    engine = _engine(eval_iters=3, batch_size=4)
    train_estimate, val_estimate = loss_estimates(engine, engine.recipe, CORPUS, step=50)
    for tokens, stream, value in ((CORPUS.train, 3, train_estimate), (CORPUS.val, 4, val_estimate)):
        sampler = BatchSampler(tokens, 8, 4, engine.recipe.training.seed, stream=stream)
        losses = [engine.loss(*sampler.batch(150 + place)) for place in range(3)]
        assert value == pytest.approx(np.mean(losses), rel=1e-12)


def test_estimate_depends_on_the_step():
    engine = _engine(eval_iters=3)
    one, again, other = (loss_estimates(engine, engine.recipe, CORPUS, step) for step in (50, 50, 51))
    assert one == again
    assert one != other


def test_estimate_approaches_the_whole_split():
    engine = _engine(eval_iters=400)
    _, val_estimate = loss_estimates(engine, engine.recipe, CORPUS, 0)
    assert val_estimate == pytest.approx(evaluate(engine, CORPUS.val, 8, 1), abs=2e-3)


def test_no_estimate_without_eval_iters():
    engine = _engine()
    evaluation = evaluate_run(engine, engine.recipe, CORPUS, 0, 1e-3)
    assert (evaluation.train_estimate, evaluation.val_estimate) == (None, None)


@pytest.mark.parametrize("kind", [NumpyEngine, TorchEngine, FastEngine])
def test_mean_loss_is_over_the_targets_that_count(kind):
    recipe = preset("tiny").override({"dtype": "float64"})
    engine = kind(recipe, initial_values(recipe.model, 1, "float64"))
    batches = [BatchSampler(CORPUS.val, 8, 3, 0).batch(place) for place in range(3)]
    batches[0][1][1:], batches[1][1][...] = -1, -100
    singles = []
    for inputs, targets in batches:
        for row, place in np.argwhere(targets >= 0):
            only = np.full((1, 8), -100)
            only[0, place] = targets[row, place]
            singles.append(engine.loss(inputs[[row]], only))
    assert len(singles) == 8 + 24
    assert engine.mean_loss(batches) == pytest.approx(np.mean(singles), rel=1e-12)
    with pytest.raises(UserError, match="at least one target must count"):
        engine.mean_loss(batches[1:2])


def test_nonfinite_loss_suggests_a_remedy():
    engine = _engine()
    engine.parameters["ln_f.weight"][:] = np.nan
    with pytest.raises(Diverged, match=r"after step 7; .*; train again with .*higher warmup_iters$"):
        evaluate_run(engine, engine.recipe, CORPUS, 7, 1e-3)


@pytest.mark.parametrize("block_size", [8, 100, 339])
def test_long_context_uses_few_rows(block_size):
    rows = []

    class Constant:
        evaluation_tokens = 2048

        def loss(self, inputs, targets):
            rows.append(inputs.shape)
            return float(targets.mean())

        mean_loss = Engine.mean_loss

    loss = evaluate(Constant(), CORPUS.val, block_size, block_size)
    assert loss == pytest.approx(CORPUS.val[1:].mean(), rel=1e-12)  # every token except the first, once
    assert max(batch * time for batch, time in rows) <= 2048


def _script_losses(losses, monkeypatch):
    """Replace evaluation by a sequence of validation losses."""
    script = iter(losses)

    def scripted(engine, recipe, corpus, step, rate):
        loss = next(script, None)
        if loss is None:
            raise RuntimeError("the script ends")
        return Evaluation(step, loss, loss, rate)

    monkeypatch.setattr("numpy_gpt.shared.training.trainer.evaluate_run", scripted)


def test_patience_stops_and_keeps_the_best(tmp_path, monkeypatch):
    engine = _engine(max_iters=100, eval_interval=10, patience=3)
    _script_losses([5.0, 4.0, 3.0, 3.5, 3.0, 3.1], monkeypatch)  # an equal loss is no improvement
    state = train(engine.recipe, engine, CORPUS, tmp_path, Silent())
    assert (state.step, state.best_step, state.best_val_loss, state.evaluations_since_best) == (50, 20, 3.0, 3)
    steps = sorted(int(path.name.removeprefix("step-")) for path in (tmp_path / "checkpoints").iterdir())
    assert steps == [20, 40, 50]
    assert load_checkpoint(tmp_path).step == 50
    assert load_checkpoint(tmp_path, "best").step == 20


def test_resumed_run_keeps_its_patience(tmp_path, monkeypatch):
    engine = _engine(max_iters=40, eval_interval=10, patience=3)
    _script_losses([5.0, 4.0, 4.5], monkeypatch)
    with pytest.raises(RuntimeError, match="the script ends"):  # as if the process had died there
        train(engine.recipe, engine, CORPUS, tmp_path, Silent())
    state = load_checkpoint(tmp_path).state
    assert (state.step, state.evaluations_since_best) == (20, 1)
    _script_losses([4.4, 4.3], monkeypatch)
    state = train(engine.recipe, engine, CORPUS, tmp_path, Silent(), state)
    assert (state.step, state.best_step, state.evaluations_since_best) == (40, 10, 3)


def test_without_patience_no_early_stop(tmp_path, monkeypatch):
    engine = _engine(max_iters=60, eval_interval=10)
    _script_losses([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], monkeypatch)
    state = train(engine.recipe, engine, CORPUS, tmp_path, Silent())
    assert (state.step, state.best_step) == (60, 0)
    assert load_checkpoint(tmp_path, "best").step == 0


@pytest.mark.parametrize("place", [0, 1])
def test_an_estimate_that_is_not_finite_ends_training(monkeypatch, place):
    engine = _engine(eval_iters=1)
    estimates = [1.0, 1.0]
    estimates[place] = math.inf
    monkeypatch.setattr(evaluation, "loss_estimates", lambda *arguments: tuple(estimates))
    with pytest.raises(Diverged, match=r"the estimate of the (training|validation) loss must be finite, but is inf"):
        evaluate_run(engine, engine.recipe, CORPUS, 0, 1e-3)
