"""The command ``numpy_gpt`` as its users meet it: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.cli import main
from numpy_gpt.shared.checkpoint import load_checkpoint

QUICK = ["train", "tiny", "--max_iters", "20", "--eval_interval", "10"]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _run(capsys, *argv):
    status = main([str(word) for word in argv])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(("preset", "limit", "count"), [("tiny", 0.47, 1134), ("tiny16", 0.445, 6864)])
@pytest.mark.parametrize("seed", [1337, 1, 2])
def test_training_reaches_the_promised_loss_with_any_of_three_seeds(capsys, preset, limit, count, seed):
    status, out, err = _run(capsys, "train", preset, "--seed", seed, "--json")
    record = json.loads(out.splitlines()[-1])
    assert status == 0, err
    assert record["val_loss"] <= limit
    assert record["parameters"] == count
    assert record["loss_floor"] == pytest.approx(0.4226, abs=5e-5)
    assert record["loss_floor"] < record["val_loss"]


def test_the_parameter_table_adds_up_and_comes_before_training(capsys):
    _, out, _ = _run(capsys, *QUICK)
    lines = out.splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[1:17]]
    assert len(counts) == 16
    assert sum(counts[:-1]) == counts[-1] == 1134
    assert [line.split()[1] for line in lines[18:21]] == ["0", "10", "20"]


def test_the_record_is_the_last_line_and_the_run_directory_opens(capsys):
    status, out, _ = _run(capsys, *QUICK, "--json", "--out_dir", "here")
    record = json.loads(out.splitlines()[-1])
    assert status == 0
    assert {key: record[key] for key in ("schema_version", "steps", "out_dir")} == {
        "schema_version": 1,
        "steps": 20,
        "out_dir": "here",
    }
    assert set(record) >= {"parameters", "train_loss", "val_loss", "loss_floor", "seconds"}
    assert load_checkpoint(Path("here")).step == 20
    last = json.loads(Path("here/metrics.jsonl").read_text().splitlines()[-1])
    assert last["val_loss"] == record["val_loss"]
    assert "lowest possible 0.4226" in out
    assert "sample: " in out


def test_stdout_is_the_same_every_time(capsys):
    first = _run(capsys, *QUICK, "--out_dir", "a")[1].replace("directory: a", "")
    assert first == _run(capsys, *QUICK, "--out_dir", "b")[1].replace("directory: b", "")


@pytest.mark.parametrize("flags", [["--n_embd", "16"], ["--n-embd=16"], ["--n_embd=16"]])
def test_any_field_is_overridden_by_its_name(capsys, flags):
    _, out, _ = _run(capsys, *QUICK, *flags, "--json", "--bias=True", "--tie-weights", "false", "--seed", "3")
    assert json.loads(out.splitlines()[-1])["parameters"] == 7_232 + 512


def test_the_dtype_is_that_of_the_saved_weights(capsys):
    for dtype in ("float32", "float64"):
        _run(capsys, *QUICK, "--dtype", dtype, "--out_dir", dtype)
        assert {value.dtype.name for value in load_checkpoint(Path(dtype)).values.values()} == {dtype}


def test_default_run_directories_never_collide_and_a_given_one_is_never_overwritten(capsys):
    for _ in range(2):
        _run(capsys, *QUICK)
    assert load_checkpoint(Path("runs/tiny")).step == load_checkpoint(Path("runs/tiny-2")).step == 20
    status, _, err = _run(capsys, *QUICK, "--out_dir", "runs/tiny")
    assert (status, err.count("\n")) == (2, 1)
    assert "--resume runs/tiny" in err


def test_a_finished_run_can_be_resumed_and_keeps_its_recipe(capsys):
    _run(capsys, *QUICK)
    status, out, _ = _run(capsys, "train", "--resume", "runs/tiny", "--json")
    assert status == 0
    assert json.loads(out.splitlines()[-1])["steps"] == 20
    status, _, err = _run(capsys, "train", "--resume", "runs/tiny", "--seed", "3")
    assert (status, err) == (2, "error: a resumed run keeps its recipe and place; leave out seed\n")


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
        (["train", "tiny", "--n_embd", "6.5"], "a whole number is needed, not '6.5'"),
        (["train", "tiny", "--bias", "maybe"], "True or False is needed, not 'maybe'"),
        (["train", "tiny", "--dtype", "float16"], "dtype must be float32 or float64"),
        (["train", "tiny", "--vocab_size", "31"], "vocab_size=31 is too small for the corpus 'tiny'; try 32"),
        (["train", "tiny", "--block_size", "400"], "a window of block_size=400 needs 401 tokens"),
        (["train", "tiny", "--out_dir", "/dev/null/x"], "cannot write"),
        (["train", "--resume", "nowhere"], "there is no such file"),
        (["parameters", "--model", "nowhere"], "there is no such file"),
    ],
)
def test_what_is_wrong_is_one_line_on_stderr_and_exit_status_2(capsys, argv, message):
    status, _, err = _run(capsys, *argv)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("runs").exists() or not list(Path("runs").rglob("model.safetensors"))


def test_a_wider_vocabulary_than_the_corpus_is_allowed(capsys):
    status, out, _ = _run(capsys, *QUICK, "--vocab_size", "40", "--json", "--by_hand")
    assert status == 0
    assert json.loads(out.splitlines()[-1])["parameters"] == 1134 + 8 * 6


def test_by_hand_shows_every_activation_gradient_and_change(capsys):
    status, out, _ = _run(capsys, *QUICK, "--by-hand", "2", "--batch_size", "2")
    assert status == 0
    assert "=== step 1:" in out
    assert "=== step 2:" in out
    assert "=== step 3:" not in out
    first = out[out.index("=== step 1:") : out.index("=== step 2:")]
    for name in ("h.0.attn.q (2, 8, 3)", "h.1.attn.weights (2, 8, 8)", "h.1.mlp.hidden (8, 24)", "ln_f.out (8, 6)"):
        assert name in first
    for name in ("logits (8, 32)", "h.0.attn.dq (2, 8, 3)", "embedding.dtoken (8, 6)", "the 5 likeliest next tokens"):
        assert name in first
    assert "target" in first
    changes = [
        line.split() for line in first.splitlines() if line.startswith(("wte", "wpe", "h.", "ln_f")) and "[" in line
    ]
    changes = [line for line in changes if len(line) >= 5]
    assert len(changes) == 1134
    for line in changes:
        before, change, after = map(float, line[-3:])
        assert before + change == pytest.approx(after, abs=2e-6)


def test_by_hand_trains_as_if_it_were_not_there(capsys):
    _run(capsys, *QUICK, "--by_hand", "--out_dir", "a")
    _run(capsys, *QUICK, "--out_dir", "b")
    one, other = (load_checkpoint(Path(name)).values for name in "ab")
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_all_weights_of_the_shipped_model_fit_on_one_page(capsys):
    status, out, _ = _run(capsys, "parameters")
    lines = out.splitlines()
    assert status == 0
    assert len(lines) <= 84
    assert max(map(len, lines)) <= 140
    import re

    assert len(re.findall(r"-?\d+\.\d\d(?!\d)", out)) == 1134
    assert "world" in out


@pytest.mark.parametrize("flags", [["--bias", "True", "--tie_weights", "False"], ["--n_layer", "0"]])
def test_the_page_shows_every_weight_of_any_small_model(capsys, flags):
    _, out, _ = _run(capsys, *QUICK, *flags, "--json")
    count = json.loads(out.splitlines()[-1])["parameters"]
    _, page, _ = _run(capsys, "parameters", "--model", "runs/tiny")
    import re

    assert len(re.findall(r"-?\d+\.\d{4}", page)) == count


def test_a_model_too_large_for_a_page_is_refused(capsys):
    _run(capsys, *QUICK, "--n_embd", "32", "--max_iters", "0")
    status, _, err = _run(capsys, "parameters", "--model", "runs/tiny")
    assert status == 2
    assert "do not fit on a page" in err


def test_the_shipped_model_is_made_again_as_good_by_one_command(capsys):
    from numpy_gpt.shared.checkpoint import SHIPPED_MODEL

    status, out, err = _run(capsys, "rebuild", "--out_dir", "again")
    assert status == 0, err
    again, shipped = load_checkpoint(Path("again")), load_checkpoint(SHIPPED_MODEL)
    # Another BLAS rounds otherwise and training spreads that, so the weights differ, but not what they are worth.
    assert abs(again.facts["val_loss"] - shipped.facts["val_loss"]) < 0.01
    for model in (again, shipped):
        assert model.facts["val_loss"] <= 0.47
        assert abs(model.facts["val_loss"] - model.facts["val_loss_before_rounding"]) < 0.005
        for value in model.values.values():
            assert value.dtype == np.float64
            assert np.array_equal(np.round(value, 2), value)
            assert not np.signbit(value[value == 0]).any()
    assert "val_loss_before_rounding" in out


def test_the_shipped_models_stated_loss_is_its_loss():
    from gpt_data.corpora import load_corpus
    from numpy_gpt.engine import NumpyEngine
    from numpy_gpt.shared.checkpoint import SHIPPED_MODEL
    from numpy_gpt.shared.presets import preset
    from numpy_gpt.shared.trainer import evaluate

    model = load_checkpoint(SHIPPED_MODEL)
    assert sum(value.size for value in model.values.values()) == 1134
    engine = NumpyEngine(preset("tiny").override({"dtype": "float64"}), model.values)
    assert evaluate(engine, load_corpus("tiny").val, 8, 1) == pytest.approx(model.facts["val_loss"], rel=1e-12)


def _process(*argv, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "numpy_gpt", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_ctrl_c_in_the_middle_of_training_is_one_line_and_status_130_and_loses_nothing():
    process = _process("train", "tiny", "--max_iters", "1000000", "--out_dir", "run")
    assert process.stdout is not None
    while "step    500" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    last = err.splitlines()[-1]
    assert last.startswith("interrupted after step ")
    assert "--resume run" in last
    assert "Traceback" not in err
    assert load_checkpoint(Path("run")).step == int(last.split()[3].rstrip(";"))


def test_a_closed_pipe_ends_quietly():
    process = _process("parameters")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_help_shows_flags_and_exit_status():
    result = subprocess.run([sys.executable, "-m", "numpy_gpt", "train", "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert "--n_embd" in result.stdout
    assert "exit status: 0 done, 2 an error" in result.stdout


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_in_a_terminal_there_is_a_bar_on_stderr_and_only_data_on_stdout():
    main_end, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "numpy_gpt", "train", "tiny", "--max_iters", "1500"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main_end, 4096):
            shown += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    assert process.stdout is not None
    out = process.stdout.read().decode()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    os.close(main_end)
    assert b"/1500" in shown
    assert b"tokens/s" in shown
    assert b"left" in shown
    assert "val_loss" in out
    assert "\x1b" not in out
