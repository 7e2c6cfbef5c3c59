"""``train --snapshots`` and ``snapshots``: kept, listed, used as models and removed, in both programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint, lock_run
from numpy_gpt.shared.runs.snapshots import snapshots_of
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, runner

TRAIN = ["train", "tiny", "--max_iters", 20, "--eval_interval", 10, "--eval_stride", 8, "--dtype", "float64"]


def _train(run, out_dir):
    assert run(*TRAIN, "--snapshots", 5, "--out_dir", out_dir).status == 0


def test_kept_listed_used_and_removed(run):
    _train(run, "run")
    before = contents(Path("run"))
    rows = run("snapshots", "run", "--json").record["snapshots"]
    assert [row["step"] for row in rows] == [0, 1, 3, 7, 20]
    listed = run("snapshots", "run").out
    for row in rows:
        assert row["bytes"] == sum(path.stat().st_size for path in Path(row["path"]).iterdir())
        assert f"{row['bytes']:,}  {row['path']}" in listed
    place = rows[1]["path"]
    assert run("sample", place, "--prompt", "hello", "--max_new_tokens", 3).status == 0
    assert run("evaluate", place, "--eval_iters", 0, "--json").record["step"] == 1
    assert_rejected(run("train", "--resume", rows[1]["path"]), "has a model but no training state; give run")
    with lock_run(Path("run")):
        assert_rejected(run("snapshots", "run", "--remove"), "another process is training in run")
    assert contents(Path("run")) == before
    assert run("snapshots", "run", "--remove").out.startswith("removed 5 snapshots of run (")
    assert contents(Path("run")) == {name: file for name, file in before.items() if not name.startswith("snapshots")}
    assert run("snapshots", "run", "--remove", "--json").record["removed"] == []
    assert "train one with --snapshots N" in run("snapshots", "run").out
    assert run("train", "--resume", "run").status == 0


def test_what_is_kept_is_said(numpy_run):
    _train(numpy_run, "run")
    Path("run/snapshots/step-000000003/notes.txt").write_text("mine")
    out = numpy_run("snapshots", "run", "--remove").out
    assert out == (
        "removed 4 snapshots of run\nkept run/snapshots/step-000000003: it is a link, or contains other files\n"
    )


def test_both_programs_keep_the_same_steps(capsys):
    for program in ("numpy_gpt", "torch_gpt"):
        _train(runner(program, capsys), program)
    ours, twins = (snapshots_of(Path(program)) for program in ("numpy_gpt", "torch_gpt"))
    assert [path.name for path in ours] == [path.name for path in twins]
    for one, other in zip(ours, twins, strict=True):
        values, others = load_checkpoint(one).values, load_checkpoint(other).values
        assert all(np.allclose(others[name], value, rtol=0, atol=1e-9) for name, value in values.items())


@pytest.mark.parametrize("number", ["1", "-1", "22", "many", "1e400"])
def test_wrong_numbers_are_one_line(run, number):
    assert_rejected(run(*TRAIN, f"--snapshots={number}"), "snapshots")
    assert not Path("runs").exists()


def test_no_run_is_one_line(run):
    Path("empty").mkdir()
    for place in ("empty", "nowhere"):
        assert_rejected(run("snapshots", place), f"{place} must be a run directory of `train`")
        assert_rejected(run("snapshots", place, "--remove"), f"{place} must be a run directory of `train`")
    assert not Path("nowhere").exists()


def test_a_new_run_mixes_no_snapshots(numpy_run):
    import shutil

    _train(numpy_run, "run")
    shutil.rmtree("run/checkpoints")
    Path("run/metrics.jsonl").unlink()
    before = [path.name for path in snapshots_of(Path("run"))]
    assert_rejected(numpy_run(*TRAIN, "--out_dir", "run"), "run contains snapshots of another run; remove them with")
    assert [path.name for path in snapshots_of(Path("run"))] == before
