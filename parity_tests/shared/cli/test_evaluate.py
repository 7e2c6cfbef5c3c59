"""``evaluate``: the trainer's losses, over both whole splits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, run_program


def _evaluations(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if line["kind"] == "evaluation"}


def test_losses_equal_the_trainers(numpy_run, trained):
    record = numpy_run("evaluate", trained, "--eval_iters", 3, "--json").record
    evaluation = _evaluations(trained)[60]
    for name in ("val_loss", "train_estimate", "val_estimate"):
        assert record[name] == evaluation[name]
    assert record["step"] == 60
    assert record["loss_floor"] == pytest.approx(0.4226, abs=5e-5)


def test_training_loss_covers_the_whole_split(run, trained):
    model = load_checkpoint(trained)
    engine, tokens = NumpyEngine(recipe_of(model), model.values), load_corpus("tiny").train
    starts = np.arange(len(tokens) - 8)[:, None] + np.arange(8)
    assert len(starts) == 1356 - 8
    record = run("evaluate", trained, "--eval_iters", 0, "--json").record
    assert record["train_loss"] == pytest.approx(engine.loss(tokens[starts], tokens[starts + 1]), rel=1e-9)
    assert record["train_loss"] != pytest.approx(_evaluations(trained)[60]["train_loss"], rel=1e-9)  # an excerpt
    assert record["train_estimate"] is None


def test_programs_print_the_same(capsys, trained):
    flags = ["evaluate", trained, "--eval_iters", 2]
    ours = run_program("numpy_gpt", capsys, *flags).out
    assert ours == run_program("torch_gpt", capsys, *flags).out
    assert "training     1,356" in ours
    assert "validation     340" in ours
    assert "lowest possible on validation 0.4226" in ours


def test_best_checkpoint(numpy_run, trained):
    still = ["--learning_rate", 0, "--min_lr", 0, "--max_iters", 40, "--eval_interval", 10]
    numpy_run("train", "tiny", *still, "--out_dir", "run")  # nothing is learned, and an equal loss is not better
    losses = {step: line["val_loss"] for step, line in _evaluations(Path("run")).items()}
    records = {
        which: numpy_run("evaluate", "run", "--checkpoint", which, "--eval_iters", 0, "--json").record
        for which in ("last", "best")
    }
    assert {which: record["step"] for which, record in records.items()} == {"last": 40, "best": 0}
    assert records["best"]["val_loss"] == losses[0]


def test_eval_stride_changes_the_mean(numpy_run, trained):
    one, eight = (numpy_run("evaluate", trained, "--eval_stride", n, "--json").record["val_loss"] for n in (1, 8))
    assert one != eight
    assert numpy_run("evaluate", trained, "--eval_stride", "none", "--json").record["val_loss"] == eight  # block_size


def test_dataset_must_have_the_same_vocabulary(run, trained):
    run("prepare", "tiny", "--out_dir", "copy")
    run("prepare", "words", "--out_dir", "other")
    run("prepare", "grammar", "--out_dir", "larger")
    flags = ["evaluate", trained, "--eval_iters", 1, "--json"]
    assert run(*flags, "--dataset", "copy").record == run(*flags).record
    for name, corpus in (("other", "words"), ("larger", "grammar")):
        assert_rejected(
            run(*flags, "--dataset", name), f"the corpus '{corpus}' has a different vocabulary from the model"
        )


def test_damaged_newest_checkpoint_is_skipped(numpy_run, trained):
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
        (["--eval_iters", ""], "must be a whole number, not ''"),
        (["--source", "x.txt"], "only the corpus 'shakespeare' has a source"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    assert_rejected(run("evaluate", *flags), message)
