"""What ``train`` adds to the trainer: recipes, resuming, early stopping, logs and records."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint, lock_run
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected

QUICK = ["--max_iters", 10, "--eval_interval", 5, "--log_interval", 5]


def _texts(name, words):
    Path(f"{name}.txt").write_text(words * 60)


def test_recipe_from_file_and_flags(run):
    Path("recipe.toml").write_text(
        'preset = "tiny"\n[model]\nn_embd = 12\n[training]\nmax_iters = 4\nseed = 3\ndtype = "float64"\n'
    )
    result = run("train", "--config", "recipe.toml", "--seed", 5, "--json")
    model = load_checkpoint(Path("runs/tiny"))
    assert result.status == 0
    assert result.record["steps"] == 4
    assert model.config.n_embd == 12
    assert (model.recipe["training"]["seed"], model.recipe["training"]["dtype"]) == (5, "float64")


def test_resume_needs_the_same_text(run):
    _texts("one", "first text, ")
    _texts("other", "text first, ")  # the same vocabulary
    run("prepare", "text", "one.txt", "--out_dir", "data")
    assert run("train", "tiny", "--dataset", "data", *QUICK, "--out_dir", "run").status == 0
    assert load_checkpoint(Path("run")).config.vocab_size == len(set("first text, "))
    assert run("train", "--resume", "run").status == 0
    run("prepare", "text", "other.txt", "--out_dir", "data")
    before = contents(Path("run"))
    assert_rejected(run("train", "--resume", "run"), "run was trained on a different text from what 'data' is now")
    assert contents(Path("run")) == before


def test_patience_stops_and_keeps_the_best(run):
    still = ["--learning_rate", 0, "--min_lr", 0]  # nothing is learned, and an equal loss is not better
    flags = ["--max_iters", 1000, "--eval_interval", 10, "--patience", 2]
    result = run("train", "tiny", *still, *flags, "--out_dir", "run", "--json")
    record = result.record
    assert (record["steps"], record["best_step"]) == (20, 0)
    assert f"stopped early, after step {record['steps']}: 2 evaluations without improvement" in result.out
    assert f"the best was {record['best_val_loss']:.4f} after step {record['best_step']}; sample it with" in result.out
    assert record["val_loss"] == record["best_val_loss"]
    assert load_checkpoint(Path("run"), "best").step == record["best_step"]


def test_resume_skips_a_damaged_checkpoint(numpy_run):
    numpy_run("train", "tiny", *QUICK, "--out_dir", "whole")
    numpy_run("train", "tiny", *QUICK, "--out_dir", "run")
    (max(Path("run/checkpoints").iterdir()) / "optimizer.safetensors").write_bytes(b"")
    result = numpy_run("train", "--resume", "run", "--json")
    assert result.status == 0
    assert result.err.startswith("warning: ")
    assert "step-000000005 instead" in result.err
    assert contents(Path("run")) == contents(Path("whole"))


@pytest.mark.parametrize("flags", [["tiny"], ["--config", "recipe.toml"], ["--out_dir", "x"], ["--n_embd", "6"]])
def test_a_resumed_run_keeps_its_recipe(run, trained, flags):
    assert_rejected(run("train", "--resume", trained, *flags), "a resumed run keeps its recipe and directory")


def test_run_of_another_process_is_untouched(run, trained):
    before = contents(trained)
    with lock_run(trained):
        assert_rejected(run("train", "--resume", trained), "another process is training in runs/tiny")
    assert contents(trained) == before
    assert run("train", "--resume", trained).status == 0


def test_single_checkpoint_cannot_be_resumed(run, trained):
    newest = max((trained / "checkpoints").iterdir())
    before = contents(trained)
    assert_rejected(run("train", "--resume", newest), f"{newest} is a single checkpoint; give runs/tiny")
    newest.rename("alone")
    assert_rejected(run("train", "--resume", "alone"), "must be a run directory, but alone is a single checkpoint")
    Path("alone").rename(newest)
    assert contents(trained) == before


def test_moved_text_is_given_by_dataset(run):
    _texts("one", "first text, ")
    run("prepare", "text", "one.txt", "--out_dir", "data")
    run("train", "tiny", "--dataset", "data", *QUICK, "--out_dir", "run")
    Path("data").rename("elsewhere")
    assert_rejected(run("train", "--resume", "run"), "unknown dataset 'data'")
    assert_rejected(run("train", "--resume", "run"), "if the run's text has moved, give --dataset")
    assert run("train", "--resume", "run", "--dataset", "elsewhere").status == 0
    assert_rejected(run("train", "--resume", "run", "--dataset", "tiny"), "")  # a different text is still rejected


def test_damaged_metrics_are_cut(numpy_run, trained):
    path = trained / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for bad in (b"\xff\xfe\n", b"[" * 200_000 + b"\n"):
        path.write_bytes(b"".join([*lines[:2], bad, *lines[2:]]))
        assert numpy_run("train", "--resume", trained).status == 0
        assert path.read_bytes() == b"".join(lines[:2])


def test_world_size_alone_is_ignored(run, monkeypatch):
    for size in ("2", "many"):  # as a job script sets it
        monkeypatch.setenv("WORLD_SIZE", size)
        assert run("train", "tiny", *QUICK).status == 0


def test_shipped_model_cannot_be_resumed(run):
    from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL

    assert_rejected(run("train", "--resume", SHIPPED_MODEL), "has a model but no training state")


def test_failed_start_leaves_nothing(run):
    for flags in (["--eval_stride", 9], ["--block_size", 400], ["--source", "x"], ["--n_embd", 7]):
        assert_rejected(run("train", "tiny", "--tensorboard", *flags), "")
        assert not Path("runs").exists()


def test_tensorboard_metrics(run):
    pytest.importorskip("tensorboardX")
    assert run("train", "tiny", *QUICK, "--tensorboard", "--out_dir", "run").status == 0
    assert run("train", "--resume", "run", "--tensorboard").status == 0
    assert list(Path("run/tensorboard").glob("events.*"))


def test_missing_tensorboardx_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert_rejected(run("train", "tiny", *QUICK, "--tensorboard"), 'pip install "numpy-gpt[tensorboard]"')
    assert not Path("runs").exists()


def test_record_equals_the_lines(run):
    result = run("train", "tiny", *QUICK, "--eval_iters", 2, "--json")
    record = result.record
    assert record["schema_version"] == 2
    assert f"step     10  train_loss {record['train_loss']:.6f}  val_loss {record['val_loss']:.6f}" in result.out
    assert f"estimates {record['train_estimate']:.4f} {record['val_estimate']:.4f}" in result.out
    metrics = [json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["val_loss"] == record["val_loss"]
    assert record["out_dir"] == "runs/tiny"
    assert record["best_step"] in (0, 5, 10)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config", "missing.toml"], "cannot read missing.toml"),
        (["--config", ""], "argument --config: a path must not be empty"),
        (["--dataset", "nowhere"], "unknown dataset 'nowhere'"),
        (["--dataset", ""], "unknown dataset ''"),
        (["--max_iters", "-1"], "max_iters must be at least 0, not -1"),
        (["--max_iters", "1e400"], "must be a whole number, not '1e400'"),
        (["--learning_rate", "nan"], "must be a number, not 'nan'"),
        (["--learning_rate", "-1"], "learning_rate must be at least 0 and finite, not -1.0"),
        (["--batch_size", "0"], "batch_size must be at least 1, not 0"),
        (["--dropout", "1"], "dropout must lie in [0, 1), not 1.0"),
        (["--seed", "one"], "must be a whole number, not 'one'"),
        (["--resume", "nowhere"], "no model at nowhere"),
        (["--n_embd", "1e12"], "the number of parameters must be at most 2⁶⁰"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    result = run("train", *([] if "--resume" in flags else ["tiny"]), *flags)
    assert_rejected(result._replace(out=""), message)
    assert not Path("runs").exists()
