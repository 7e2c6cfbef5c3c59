"""``evaluate``: the trainer's losses, over the whole of both splits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.program import recipe_of
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import refused, run_program


def _evaluations(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if line["kind"] == "evaluation"}


def test_the_validation_loss_and_the_estimates_are_the_trainers(numpy_run, trained):
    record = numpy_run("evaluate", trained, "--eval_iters", 3, "--json").record
    evaluation = _evaluations(trained)[60]
    for name in ("val_loss", "train_estimate", "val_estimate"):
        assert record[name] == evaluation[name]
    assert record["step"] == 60
    assert record["loss_floor"] == pytest.approx(0.4226, abs=5e-5)


def test_the_training_loss_goes_over_every_window_of_the_whole_split(run, trained):
    model = load_checkpoint(trained)
    engine, tokens = NumpyEngine(recipe_of(model), model.values), load_corpus("tiny").train
    starts = np.arange(len(tokens) - 8)[:, None] + np.arange(8)
    assert len(starts) == 1356 - 8
    record = run("evaluate", trained, "--eval_iters", 0, "--json").record
    assert record["train_loss"] == pytest.approx(engine.loss(tokens[starts], tokens[starts + 1]), rel=1e-9)
    assert record["train_loss"] != pytest.approx(_evaluations(trained)[60]["train_loss"], rel=1e-9)  # an excerpt
    assert record["train_estimate"] is None


def test_both_programs_say_the_same(capsys, trained):
    flags = ["evaluate", trained, "--eval_iters", 2]
    ours = run_program("numpy_gpt", capsys, *flags).out
    assert ours == run_program("torch_gpt", capsys, *flags).out
    assert "training          1,356" in ours
    assert "validation          340" in ours
    assert "lowest possible on validation 0.4226" in ours


def test_the_best_checkpoint_can_be_asked_for(numpy_run, trained):
    still = ["--learning_rate", 0, "--min_lr", 0, "--max_iters", 40, "--eval_interval", 10]
    numpy_run("train", "tiny", *still, "--out_dir", "run")  # nothing is learnt, and an equal loss is not a better one
    losses = {step: line["val_loss"] for step, line in _evaluations(Path("run")).items()}
    records = {
        which: numpy_run("evaluate", "run", "--checkpoint", which, "--eval_iters", 0, "--json").record
        for which in ("last", "best")
    }
    assert {which: record["step"] for which, record in records.items()} == {"last": 40, "best": 0}
    assert records["best"]["val_loss"] == losses[0]


def test_another_distance_of_windows_is_another_mean(numpy_run, trained):
    one, eight = (numpy_run("evaluate", trained, "--eval_stride", n, "--json").record["val_loss"] for n in (1, 8))
    assert one != eight
    assert numpy_run("evaluate", trained, "--eval_stride", "none", "--json").record["val_loss"] == eight  # block_size


def test_a_text_of_the_same_vocabulary_may_be_given_and_no_other(run, trained):
    run("prepare", "tiny", "--out_dir", "copy")
    run("prepare", "words", "--out_dir", "other")
    run("prepare", "grammar", "--out_dir", "larger")
    flags = ["evaluate", trained, "--eval_iters", 1, "--json"]
    assert run(*flags, "--dataset", "copy").record == run(*flags).record
    for name, corpus in (("other", "words"), ("larger", "grammar")):
        refused(run(*flags, "--dataset", name), f"the corpus '{corpus}' has another vocabulary than the model")


def test_nothing_is_written_and_a_damaged_newest_checkpoint_is_stepped_over_with_a_warning(numpy_run, trained):
    shutil.copytree(trained, "damaged")
    newest = max(Path("damaged/checkpoints").iterdir())
    (newest / "checkpoint.json").write_text("{}")
    before = contents(trained)
    assert numpy_run("evaluate", trained, "--json").err == ""
    assert contents(trained) == before
    result = numpy_run("evaluate", "damaged", "--json")
    assert result.record["step"] == 40
    assert (result.err.count("\n"), result.err[:9]) == (1, "warning: ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere"], "no model at nowhere"),
        (["--dataset", "nowhere"], "unknown dataset 'nowhere'"),
        (["--eval_stride", "0"], "eval_stride must be at least 1, not 0"),
        (["--eval_stride", "9"], "would leave gaps between windows of 8"),
        (["--eval_iters", "-1"], "eval_iters must be at least 0, not -1"),
        (["--eval_iters", ""], "a whole number is needed, not ''"),
        (["--source", "x.txt"], "only the corpus 'shakespeare' has a source"),
    ],
)
def test_what_is_wrong_is_one_line(run, flags, message):
    refused(run("evaluate", *flags), message)
