"""``train --resume RUN --max_iters N``: a run with another end, as far as possible the same as a run with that end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.runs.snapshots import snapshots_of
from numpy_gpt.shared.runs.step_directories import step_of
from numpy_gpt.shared.training.stopping import Interrupted
from numpy_gpt.shared.training.trainer import _TrainingRun
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected

QUICK = ["--eval_interval", 5, "--log_interval", 5, "--eval_stride", "none", "--warmup_iters", 2, "--dropout", 0.1]
STEADY = [*QUICK, "--lr_decay_iters", 10, "--learning_rate", 3e-2, "--ema_decay", 0.9]  # the best is then the last


def _train(run, end, place, *flags):
    result = run("train", "tiny", *(flags or STEADY), "--max_iters", end, "--out_dir", place)
    assert result.status == 0, result
    return result


def _end_in_recipe(place):
    return load_checkpoint(Path(place)).recipe["training"]["max_iters"]


def test_an_extended_run_is_a_longer_run_bit_for_bit(run):
    _train(run, 20, "whole")
    _train(run, 10, "run")
    result = run("train", "--resume", "run", "--max_iters", 20)
    assert result.status == 0
    assert "note: the run now ends after step 20 instead of 10\n" in result.err
    assert "note: the learning rate keeps its schedule: at step 10 it is 3.000e-03, and stays there\n" in result.err
    assert contents(Path("run")) == contents(Path("whole"))
    again = run("train", "--resume", "run", "--max_iters", 20)
    assert (again.status, "note: " in again.err) == (0, False)
    assert contents(Path("run")) == contents(Path("whole"))


@pytest.mark.parametrize("flags", [["--path", "fused"], ["--path", "explicit"], ["--path", "fast", "--seed", 3]])
def test_every_path_of_torch_extends_bit_for_bit(torch_run, flags):
    _train(torch_run, 20, "whole", *STEADY, *flags)
    _train(torch_run, 10, "run", *STEADY, *flags)
    assert torch_run("train", "--resume", "run", "--max_iters", 20, *flags[:2]).status == 0
    assert contents(Path("run")) == contents(Path("whole"))


def test_an_unfinished_run_takes_a_new_end(numpy_run, monkeypatch):
    _train(numpy_run, 20, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(_TrainingRun, "evaluate", _interrupt_at(10, _TrainingRun.evaluate))
        assert numpy_run("train", "tiny", *STEADY, "--max_iters", 15, "--out_dir", "run").status == 130
    assert load_checkpoint(Path("run")).step == 5
    assert numpy_run("train", "--resume", "run", "--max_iters", 20).status == 0
    assert contents(Path("run")) == contents(Path("whole"))


def _interrupt_at(step, evaluate):
    def interrupted(self, state, stop):
        if state.step == step:
            raise Interrupted(2, step, Path("run"))
        return evaluate(self, state, stop)

    return interrupted


def test_the_new_end_is_stored_at_once(numpy_run, monkeypatch):
    _train(numpy_run, 20, "whole")
    _train(numpy_run, 10, "run")
    with monkeypatch.context() as patch:  # a kill after the first step
        patch.setattr(_TrainingRun, "report_step", _interrupt_after_a_step)
        assert numpy_run("train", "--resume", "run", "--max_iters", 20).status == 130
    assert (load_checkpoint(Path("run")).step, _end_in_recipe("run")) == (10, 20)
    assert numpy_run("train", "--resume", "run").status == 0
    assert contents(Path("run")) == contents(Path("whole"))


def _interrupt_after_a_step(self, step, result, at_once):
    raise Interrupted(2, step + 1, Path("run"))


def test_without_lr_decay_iters_the_cosine_is_stretched(numpy_run):
    _train(numpy_run, 10, "run", *QUICK)
    result = numpy_run("train", "--resume", "run", "--max_iters", 18)
    assert "note: the cosine of the learning rate ends at step 18 instead of 10" in result.err
    assert "at step 10 the rate changes from 3.000e-04 to 1.650e-03; lr_decay_iters=10 would keep it\n" in result.err
    metrics = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in metrics if line["kind"] == "evaluation"]
    assert steps == [0, 5, 10, 15, 18]
    assert [line["learning_rate"] for line in metrics if line["step"] == 18] == [pytest.approx(3e-4)]


def test_an_end_between_evaluations_leaves_one_evaluation_more(numpy_run):
    _train(numpy_run, 20, "whole")
    _train(numpy_run, 13, "run")
    assert numpy_run("train", "--resume", "run", "--max_iters", 20).status == 0
    ours, theirs = contents(Path("run")), contents(Path("whole"))
    metrics = json.loads(ours.pop("metrics.jsonl"))
    assert [line for line in metrics if line["step"] != 13] == json.loads(theirs.pop("metrics.jsonl"))
    assert ours == theirs


def test_a_run_out_of_patience_goes_on_if_it_is_extended(numpy_run):
    still = ["--learning_rate", 0, "--min_lr", 0, "--patience", 2]
    _train(numpy_run, 100, "run", *QUICK, *still)
    assert load_checkpoint(Path("run")).step == 10
    before = contents(Path("run"))
    assert "stopped early, after step 10: 2 evaluations" in numpy_run("train", "--resume", "run").out
    assert contents(Path("run")) == before
    result = numpy_run("train", "--resume", "run", "--max_iters", 200)
    assert "it had stopped early, after 2 evaluations without improvement" in result.err
    assert "stopped early, after step 20: 2 evaluations without improvement" in result.out
    assert (load_checkpoint(Path("run")).step, load_checkpoint(Path("run"), "best").step) == (20, 0)


def test_snapshots_go_on(numpy_run):
    _train(numpy_run, 10, "run", *QUICK, "--snapshots", 4)
    before = [step_of(place) for place in snapshots_of(Path("run"))]
    assert before == [0, 1, 3, 10]
    assert numpy_run("train", "--resume", "run", "--max_iters", 40).status == 0
    assert [step_of(place) for place in snapshots_of(Path("run"))] == [*before, 40]
    assert numpy_run("attention", "run", "--text", "hello world", "--growth", "--json").status == 0


def test_a_shorter_run_ends_earlier(numpy_run):
    _train(numpy_run, 20, "run", *QUICK)
    before = contents(Path("run"))
    for end in (19, -1):
        assert_rejected(numpy_run("train", "--resume", "run", "--max_iters", end), "max_iters must be at least ")
    assert contents(Path("run")) == before
    shutil.rmtree("run/checkpoints/step-000000020")
    assert numpy_run("train", "--resume", "run", "--max_iters", 16, "--json").record["steps"] == 16
    assert _end_in_recipe("run") == 16


@pytest.mark.parametrize("flags", [["--learning_rate", 1], ["--patience", 3], ["--snapshots", 3], ["--init_from"]])
def test_nothing_else_may_change(numpy_run, trained, flags):
    before = contents(trained)
    message = f"keeps its recipe and directory, except max_iters and lr_decay_iters; leave out {flags[0]}"
    assert_rejected(numpy_run("train", "--resume", trained, "--max_iters", 99, *flags), message)
    assert contents(trained) == before
