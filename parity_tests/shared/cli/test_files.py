"""Files in wrong places, paths that are none, and directories of two programs: one line, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from numpy_gpt import rebuild
from numpy_gpt.shared.runs import checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected

QUICK = ["--max_iters", 2, "--eval_interval", 1]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "tiny", "--out_dir", ""],
        ["train", "--resume", ""],
        ["train", "tiny", "--config", ""],
        ["train", "bigram", "--source", ""],
        ["compare", "tiny", "--n_embd", "4,6", "--out_dir", ""],
        ["prepare", "words", "--out_dir", ""],
        ["prepare", "text", "", "--out_dir", "x"],
        ["sample", ""],
        ["evaluate", ""],
        ["plot", ""],
        ["plot", "x", "--png", ""],
        ["step", ""],
        ["attention", "", "--text", "hello"],
        ["attention", "--text", "hello", "--png", ""],
        ["attention", "--text", "hello", "--html", ""],
    ],
)
def test_an_empty_path_is_refused(run, words):
    assert_rejected(run(*words), "a path must not be empty")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("words", [["parameters", "--model", ""], ["rebuild", "--out_dir", ""]])
def test_an_empty_path_of_numpy_gpt_is_refused(numpy_run, words):
    assert_rejected(numpy_run(*words), "a path must not be empty")


LONG = "x" * 5000


@pytest.mark.parametrize(
    "words",
    [
        ["train", "tiny", *QUICK, "--out_dir", LONG],
        ["train", "--resume", LONG],
        ["train", "tiny", "--config", LONG],
        ["prepare", "text", LONG, "--out_dir", "x"],
        ["sample", LONG],
        ["sample", "--prompt", f"FILE:{LONG}"],
        ["evaluate", LONG],
        ["step", LONG, "--text", "hello world"],
        ["plot", LONG],
        ["attention", LONG, "--text", "hello world"],
        ["attention", "--text", "hello world", "--html", LONG],
    ],
)
def test_a_path_that_is_too_long_is_cut(run, words):
    result = run(*words)
    assert_rejected(result, "File name too long")
    assert "[Errno" not in result.err
    assert len(result.err) < 1400


def test_a_death_before_the_first_checkpoint_is_no_dead_end(run, numpy_run, monkeypatch):
    def die(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write_synced", die)
        assert run("train", "tiny", *QUICK, "--out_dir", "k").status == 130
    assert Path("k/metrics.jsonl").read_text().count("\n") == 1  # the evaluation of step 0
    assert_rejected(
        run("train", "--resume", "k"), "training ended before the first checkpoint; repeat it with --out_dir k"
    )
    assert_rejected(run("sample", "k"), "no model at k: training ended before the first checkpoint")
    assert run("train", "tiny", *QUICK, "--out_dir", "k").status == 0
    assert run("train", "tiny", *QUICK, "--out_dir", "whole").status == 0
    assert contents(Path("k")) == contents(Path("whole"))
    before = contents(Path("k"))
    assert_rejected(
        run("train", "tiny", *QUICK, "--out_dir", "k"), "k already contains a run; continue it with --resume k"
    )
    assert contents(Path("k")) == before


def test_metrics_without_their_checkpoints_are_kept(numpy_run, trained):
    (trained / "checkpoints").rename("elsewhere")
    before = (trained / "metrics.jsonl").read_bytes()
    assert_rejected(numpy_run("train", "tiny", *QUICK, "--out_dir", trained), "runs/tiny already contains a run")
    assert (trained / "metrics.jsonl").read_bytes() == before
    (trained / "metrics.jsonl").write_text("my own notes\n")
    assert_rejected(numpy_run("train", "tiny", *QUICK, "--out_dir", trained), "line 1, is not a line of metrics")
    assert (trained / "metrics.jsonl").read_text() == "my own notes\n"


def test_the_next_free_directory_is_taken(run):
    Path("runs/tiny-2").mkdir(parents=True)
    for place in ("runs/tiny", "runs/tiny-3"):
        assert f"run directory: {place}\n" in run("train", "tiny", *QUICK).out
    Path("runs").rename("old")
    Path("runs").write_text("a file")
    assert_rejected(run("train", "tiny", *QUICK)._replace(out=""), "cannot make the directory runs: File exists")


@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors", "optimizer.safetensors"])
def test_special_files_in_a_run_are_never_read(numpy_run, trained, name):
    newest = max((trained / "checkpoints").iterdir())
    path = newest / name
    makers = (os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path.name))
    for make in makers:
        path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
        make(path)
        result = numpy_run("sample", trained, "--max_new_tokens", 1)
        assert result.status == 0
        assert result.err.startswith(f"warning: cannot read {path}: ")
        assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["meta.json", "train.bin", "metrics.jsonl", "prompt", "recipe", "source", "chart.png"])
def test_special_files_elsewhere_are_never_read(numpy_run, trained, name):
    numpy_run("prepare", "words", "--out_dir", "data")
    path = {"meta.json": Path("data/meta.json"), "train.bin": Path("data/train.bin")}.get(name, Path(name))
    words = {
        "prompt": ["sample", "--prompt", "FILE:prompt"],
        "recipe": ["train", "--config", "recipe"],
        "source": ["train", "bigram", "--source", "source"],
        "chart.png": ["plot", trained, "--png", "chart.png"],
        "metrics.jsonl": ["plot", "."],
    }.get(name, ["train", "words", "--dataset", "data"])
    path.unlink(missing_ok=True)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(path)
        assert_rejected(numpy_run(*words), "it is not a regular file")
        path.unlink()


def test_a_new_chart_keeps_the_mode_of_the_old_one(numpy_run, trained):
    pytest.importorskip("matplotlib")
    Path("chart.png").touch(0o600)
    assert numpy_run("plot", trained, "--png", "chart.png").status == 0
    assert Path("chart.png").stat().st_mode & 0o777 == 0o600


def test_rebuilding_the_same_model_writes_nothing(monkeypatch):
    short = preset("tiny").override({"max_iters": 2})
    monkeypatch.setattr(rebuild, "preset", lambda name: short)
    first = rebuild.rebuild(Path("model"))
    monkeypatch.setattr(rebuild, "evaluate", lambda *arguments: first.facts["val_loss"] * (1 + 1e-15))
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in Path("model").iterdir()}
    assert rebuild.rebuild(Path("model")).facts == first.facts
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in Path("model").iterdir()} == before
    monkeypatch.setattr(rebuild, "preset", lambda name: short.override({"seed": 5}))
    rebuild.rebuild(Path("model"))
    assert load_checkpoint(Path("model")).recipe["training"]["seed"] == 5
