"""``attention --growth``: the snapshots of a run in every form, in both programs, and errors in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity_tests.shared.cli.programs import assert_rejected

TRAINING = ["--max_iters", 8, "--eval_interval", 4, "--eval_iters", 2, "--dtype", "float64", "--out_dir", "runs/grown"]
TEXT = ["--text", "to be or not"]


@pytest.fixture
def grown(run):
    """Return a run with snapshots after the steps 0, 1, 3 and 8, by each program in turn."""
    assert run("train", "tiny", *TRAINING, "--snapshots", 4).status == 0
    return "runs/grown"


def test_each_snapshot_is_the_map_of_a_model(run, grown):
    record = run("attention", grown, *TEXT, "--growth", "--json").record
    assert record["steps"] == [0, 1, 3, 8] and record["found"] == 4
    for step, maps in zip(record["steps"], record["maps"], strict=True):
        single = run("attention", f"{grown}/snapshots/step-{step:09}", *TEXT, "--json").record
        assert np.allclose(maps["weights"], single["weights"], rtol=0, atol=1e-12)
        assert maps["words"] == single["words"]
    losses = dict(map(tuple, record["curve"]))
    assert [losses[step] for step in record["steps"]] == record["losses"]
    evaluated = run("evaluate", grown, "--json").record
    assert record["losses"][-1] == pytest.approx(evaluated["val_loss"], abs=1e-9)


def test_every_form_is_written(run, grown):
    pytest.importorskip("matplotlib")
    result = run("attention", grown, *TEXT, "--growth", "--png", "growth.png", "--html", "growth.html", "--head", 1)
    assert result.out == "wrote growth.png and growth.html\n"
    assert Path("growth.png").read_bytes().startswith(b"\x89PNG")
    page = Path("growth.html").read_text(encoding="utf-8")
    assert "layer 1" in page and "head 1" in page and "head 0" not in page
    out = run("attention", grown, *TEXT, "--growth").out
    assert "its 4 snapshots" in out and "layer 1 head 0" in out and "validation loss" in out
    assert result.err.count("device: ") <= 1  # once, not for each snapshot


def test_a_run_without_snapshots(run, trained):
    for place in ([], [trained]):
        result = run("attention", *place, *TEXT, "--growth")
        assert_rejected(
            result, "has no snapshots: they are kept while a model is trained; train one with --snapshots N"
        )
