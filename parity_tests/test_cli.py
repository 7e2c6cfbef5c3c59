"""The command ``numpy_gpt`` as users see it: what it prints, where, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.support.command import QUICK, run_numpy_gpt

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.prove
@pytest.mark.parametrize(("preset", "limit", "count"), [("tiny", 0.47, 1134), ("tiny16", 0.445, 6864)])
@pytest.mark.parametrize("seed", [1337, 1])
def test_presets_reach_their_loss(capsys, preset, limit, count, seed):
    # In float64 rounding moves the loss of `tiny` by less than 1e-5. The spread over seeds is 0.006: 0.436 to 0.456 for
    # `tiny`, 0.433 to 0.436 for `tiny16`.
    status, out, err = run_numpy_gpt(capsys, "train", preset, "--seed", seed, "--dtype", "float64", "--json")
    record = json.loads(out.splitlines()[-1])
    assert status == 0, err
    assert record["val_loss"] <= limit
    assert record["parameters"] == count
    assert record["loss_floor"] == pytest.approx(0.4226, abs=5e-5)
    assert record["loss_floor"] < record["val_loss"]


def test_parameter_table_adds_up(capsys):
    _, out, _ = run_numpy_gpt(capsys, *QUICK)
    lines = out.splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[1:17]]
    assert len(counts) == 16
    assert sum(counts[:-1]) == counts[-1] == 1134
    assert [line.split()[1] for line in lines[18:21]] == ["0", "10", "20"]


def test_record_and_run_directory(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--json", "--out_dir", "here")
    record = json.loads(out.splitlines()[-1])
    assert status == 0
    assert {key: record[key] for key in ("schema_version", "steps", "out_dir")} == {
        "schema_version": 2,
        "steps": 20,
        "out_dir": "here",
    }
    assert set(record) >= {"parameters", "train_loss", "val_loss", "loss_floor", "seconds"}
    assert load_checkpoint(Path("here")).step == 20
    last = json.loads(Path("here/metrics.jsonl").read_text().splitlines()[-1])
    assert last["val_loss"] == record["val_loss"]
    assert "lowest possible 0.4226" in out
    assert "sample: " in out


def test_stdout_is_deterministic(capsys):
    first = run_numpy_gpt(capsys, *QUICK, "--out_dir", "a")[1].replace("directory: a", "")
    assert first == run_numpy_gpt(capsys, *QUICK, "--out_dir", "b")[1].replace("directory: b", "")


@pytest.mark.parametrize("flags", [["--n_embd", "16"], ["--n-embd=16"], ["--n_embd=16"]])
def test_flags_override_fields(capsys, flags):
    _, out, _ = run_numpy_gpt(capsys, *QUICK, *flags, "--json", "--bias=True", "--tie-weights", "false", "--seed", "3")
    assert json.loads(out.splitlines()[-1])["parameters"] == 7_232 + 512


def test_saved_weights_have_the_dtype(capsys):
    for dtype in ("float32", "float64"):
        run_numpy_gpt(capsys, *QUICK, "--dtype", dtype, "--out_dir", dtype)
        assert {value.dtype.name for value in load_checkpoint(Path(dtype)).values.values()} == {dtype}


def test_run_directories_are_never_overwritten(capsys):
    for _ in range(2):
        run_numpy_gpt(capsys, *QUICK)
    assert load_checkpoint(Path("runs/tiny")).step == load_checkpoint(Path("runs/tiny-2")).step == 20
    status, _, err = run_numpy_gpt(capsys, *QUICK, "--out_dir", "runs/tiny")
    assert (status, err.count("\n")) == (2, 1)
    assert "--resume runs/tiny" in err


def test_resume_keeps_the_recipe(capsys):
    run_numpy_gpt(capsys, *QUICK)
    status, out, _ = run_numpy_gpt(capsys, "train", "--resume", "runs/tiny", "--json")
    assert status == 0
    assert json.loads(out.splitlines()[-1])["steps"] == 20
    status, _, err = run_numpy_gpt(capsys, "train", "--resume", "runs/tiny", "--seed", "3")
    kept = "a resumed run keeps its recipe and directory, except max_iters and lr_decay_iters"
    assert (status, err) == (2, f"error: {kept}; leave out --seed\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["trian"], "'trian'"),
        (["train", "tinny"], "unknown preset 'tinny'; did you mean 'tiny'"),
        (["train", "tiny", "--n_emb", "3"], "unknown option '--n_emb'; did you mean '--n_embd'?"),
        (["train", "tiny", "--n-emb=3"], "did you mean '--n_embd'?"),
        (["train", "tiny", "more"], "unknown argument 'more'"),
        (["train", "tiny", "--n_embd", "7"], "n_embd=7 is not divisible by n_head=2; try 6 or 8"),
        (["train", "tiny", "--n_embd", "x"], "argument --n_embd"),
        (["train", "tiny", "--n_embd", "6.5"], "must be a whole number, not '6.5'"),
        (["train", "tiny", "--bias", "maybe"], "must be True or False, not 'maybe'"),
        (["train", "tiny", "--dtype", "float16"], "float32 or float64, not in float16; use torch_gpt"),
        (["train", "tiny", "--vocab_size", "31"], "vocab_size=31 is too small for the corpus 'tiny'; try 32"),
        (["train", "tiny", "--block_size", "400"], "a window of block_size=400 needs 401 tokens"),
        (["train", "tiny", "--out_dir", "/dev/null/x"], "cannot make the directory /dev/null/x"),
        (["train", "--resume", "nowhere"], "there is no such file"),
        (["parameters", "--model", "nowhere"], "there is no such file"),
    ],
)
def test_errors_are_one_line(capsys, argv, message):
    status, _, err = run_numpy_gpt(capsys, *argv)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("runs").exists() or not list(Path("runs").rglob("model.safetensors"))


def test_vocabulary_may_be_padded(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--vocab_size", "40", "--json")
    assert status == 0
    assert json.loads(out.splitlines()[-1])["parameters"] == 1134 + 8 * 6
