"""Signals during training: what is saved, and that a resumed run ends as if it had never stopped."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from gpt_data.process import raise_on_signals
from numpy_gpt.shared.runs.run_directory import load_checkpoint, save_in_run
from numpy_gpt.shared.training import trainer
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.process_group import SingleProcess
from numpy_gpt.shared.training.stopping import Interrupted, StopSignals
from parity_tests.kills import contents
from parity_tests.shared.training.training_runs import engine_for, metrics_of, quick_recipe, resume_in, train_in


@pytest.mark.parametrize("stop_at", [3, 10, 25])
@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
def test_resumed_run_is_byte_identical(tmp_path, stop_at, kind):
    recipe = quick_recipe(gradient_accumulation_steps=2, eval_iters=2)
    train_in(recipe, tmp_path / "whole", engine_for(recipe, kind=kind))
    engine = _interrupt_at(engine_for(recipe, kind=kind), stop_at, signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        train_in(recipe, tmp_path / "parts", engine)
    assert stopped.value.exit_status == 130
    assert f"after step {stop_at}" in str(stopped.value)
    assert load_checkpoint(tmp_path / "parts").step == stop_at
    resume_in(recipe, tmp_path / "parts", kind)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_sigterm_saves_and_restores_handlers(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    recipe = quick_recipe()
    with pytest.raises(Interrupted) as stopped:
        train_in(recipe, tmp_path, _interrupt_at(engine_for(recipe), 7, signal.SIGTERM))
    assert stopped.value.exit_status == 143
    assert load_checkpoint(tmp_path).step == 7
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signal_before_training(tmp_path):
    recipe = quick_recipe()
    with StopSignals(), pytest.raises(Interrupted) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        train_in(recipe, tmp_path)
    assert stopped.value.exit_status == 143
    assert load_checkpoint(tmp_path).step == 0  # not even the first evaluation is finished


@pytest.mark.parametrize("kind", ["numpy", "torch", "fast"])
@pytest.mark.parametrize("stop_at", [0, 20, 30])
def test_interrupted_evaluation_is_repeated(tmp_path, stop_at, kind):
    recipe = quick_recipe(eval_iters=2)
    train_in(recipe, tmp_path / "whole", engine_for(recipe, kind=kind))
    engine = engine_for(recipe, kind=kind)
    mean_loss, evaluations = engine.mean_loss, [0]

    def interrupted(batches):
        for place, batch in enumerate(batches):
            evaluations[0] += place == 0
            if place == 1 and evaluations[0] == 4 * (stop_at // 10) + 3:  # in the third of four losses, after one batch
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    engine.mean_loss = lambda batches: mean_loss(interrupted(batches))
    with pytest.raises(Interrupted) as stopped:
        train_in(recipe, tmp_path / "parts", engine)
    assert (stopped.value.exit_status, load_checkpoint(tmp_path / "parts").step) == (143, stop_at)
    assert evaluations[0] == 4 * (stop_at // 10) + 3
    assert [line["step"] for line in metrics_of(tmp_path / "parts")][-1:] == [stop_at][: stop_at > 0]
    resume_in(recipe, tmp_path / "parts", kind)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_a_signal_in_another_process_ends_the_evaluation(tmp_path):
    class Group(SingleProcess):
        size = 2

        def agree_on_signal(self, signal_number, step):
            return signal.SIGTERM if step == 1 else 0

    engine = engine_for(quick_recipe())
    engine.group, loss, batches = Group(), engine.loss, []
    engine.loss = lambda *batch: batches.append(batch) or loss(*batch)
    with pytest.raises(Interrupted) as stopped:
        train_in(engine.recipe, tmp_path, engine)
    assert (stopped.value.exit_status, load_checkpoint(tmp_path).step, len(batches)) == (143, 0, 1)


@pytest.mark.parametrize("kind", ["numpy", "fast"])
def test_a_batch_of_an_evaluation_is_soon_done(kind):
    limit = engine_for(preset("tiny"), kind=kind).evaluation_limit
    for name in ("tiny", "shakespeare"):
        assert limit.tokens_of(preset(name).model) == limit.tokens == (2048 if kind == "numpy" else 4096)
    assert 400 < limit.tokens_of(replace(preset("tiny").model, vocab_size=200_000)) < 600
    assert 1000 < limit.tokens_of(replace(preset("shakespeare").model, n_layer=24)) < 1500


def test_second_sigint_ends_immediately(tmp_path):
    recipe = quick_recipe()
    engine = _interrupt_at(engine_for(recipe), 7, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_in(recipe, tmp_path, engine)
    assert load_checkpoint(tmp_path).step == 0  # the evaluation at the start saved a complete one


@pytest.mark.parametrize("stop_at", [7, 10])
def test_signals_while_saving_change_nothing(tmp_path, monkeypatch, stop_at):
    def save(run, checkpoint):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        return save_in_run(run, checkpoint)

    def interrupted(engine):
        monkeypatch.setattr(trainer, "save_in_run", save)
        os.kill(os.getpid(), signal.SIGINT)

    recipe = quick_recipe()
    engine = engine_for(recipe)
    take_step = engine.take_step

    def step_of_engine(step, learning_rate):
        if step + 1 == stop_at:
            interrupted(engine)
        return take_step(step, learning_rate)

    engine.take_step = step_of_engine
    with raise_on_signals(), pytest.raises(Interrupted) as stopped:
        train_in(recipe, tmp_path, engine)
    assert stopped.value.exit_status == 130
    assert load_checkpoint(tmp_path).step == stop_at


def test_two_sigterms_still_save(tmp_path):
    recipe = quick_recipe()
    with pytest.raises(Interrupted):
        train_in(recipe, tmp_path, _interrupt_at(engine_for(recipe), 7, signal.SIGTERM, signal.SIGTERM))
    assert load_checkpoint(tmp_path).step == 7


def _interrupt_at(engine, stop_at, *signals):
    step_of_engine = engine.training_step

    def training_step(inputs, targets, step, learning_rate, **options):
        if step + 1 == stop_at:
            for number in signals:
                os.kill(os.getpid(), number)
        return step_of_engine(inputs, targets, step, learning_rate, **options)

    engine.training_step = training_step
    return engine
