"""Snapshots: what training keeps, after interruptions too, and that nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.runs import checkpoint as checkpoints
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.runs.snapshots import remove_snapshots, save_snapshot, snapshots_of
from numpy_gpt.shared.runs.step_directories import step_of
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at, snapshot_steps
from numpy_gpt.shared.training.stopping import Diverged, Interrupted
from parity_tests.kills import contents
from parity_tests.shared.training.training_runs import engine_for, quick_recipe, resume_in, train_in

RECIPE = quick_recipe(snapshots=6, eval_stride=8)  # of 30 steps, evaluated after every 10
STEPS = [0, 1, 2, 5, 13, 30]


def _steps(run):
    return [step_of(path) for path in snapshots_of(run)]


def test_steps_are_spaced_as_a_logarithm():
    assert snapshot_steps(8, 6000) == [0, 1, 4, 18, 77, 330, 1408, 6000]
    assert snapshot_steps(0, 6000) == []
    assert snapshot_steps(2, 6000) == [0, 6000]
    assert snapshot_steps(3, 6000) == [0, 1, 6000]
    for last in (1, 2, 3, 5, 8, 20, 21, 60, 999, 2**31 - 2):
        for count in range(2, min(last + 2, 70)):
            steps = snapshot_steps(count, last)
            assert (len(steps), steps[0], steps[-1]) == (count, 0, last)
            assert all(one < other for one, other in pairwise(steps))
            for place, (before, step) in enumerate(pairwise(steps)):
                assert count == 2 or step == before + 1 or abs(step - last ** (place / (count - 2))) <= 0.5
    for count, last in ((1, 5), (-1, 5), (7, 5), (2, 0)):
        with pytest.raises(ValueError, match="there are no"):
            snapshot_steps(count, last)


@pytest.mark.parametrize("kind", ["numpy", "torch", "fast"])
def test_snapshots_are_the_weights_of_their_steps(tmp_path, kind):
    train_in(RECIPE, tmp_path / "run", engine_for(RECIPE, kind=kind))
    assert _steps(tmp_path / "run") == STEPS
    engine, taken = engine_for(RECIPE, kind=kind), 0
    engine.begin(load_corpus("tiny").train)
    for place in snapshots_of(tmp_path / "run"):
        step = step_of(place)
        assert sorted(path.name for path in place.iterdir()) == ["checkpoint.json", "config.json", "model.safetensors"]
        kept = load_checkpoint(place)
        assert (kept.step, kept.path, kept.moments, kept.state) == (step, place, None, None)
        assert (kept.facts is None) == (step not in (0, 30))
        while taken < step:
            engine.take_step(taken, learning_rate_at(taken, **RECIPE.training.schedule()))
            taken += 1
        assert all(np.array_equal(kept.values[name], value) for name, value in engine.values().items())


def test_nothing_else_changes(tmp_path):
    """Evaluations, metrics and weights are those of a run without snapshots; only the recipe says that there are."""
    train_in(RECIPE, tmp_path / "with")
    plain = quick_recipe(eval_stride=8)
    train_in(plain, tmp_path / "without")
    kept, other = (load_checkpoint(tmp_path / name) for name in ("with", "without"))
    assert all(np.array_equal(kept.values[name], value) for name, value in other.values.items())
    assert "snapshots" not in other.recipe["training"]
    assert kept.recipe["training"] == other.recipe["training"] | {"snapshots": 6}
    assert Recipe.from_dict(other.recipe) == plain
    one, two = (contents(tmp_path / name)["metrics.jsonl"] for name in ("with", "without"))
    assert one == two


def test_averages_are_kept(tmp_path):
    recipe = quick_recipe(snapshots=3, eval_stride=8, ema_decay=0.9)
    train_in(recipe, tmp_path)
    last = load_checkpoint(tmp_path)
    kept = load_checkpoint(snapshots_of(tmp_path)[-1])
    assert kept.trained is None
    assert all(np.array_equal(kept.values[name], value) for name, value in last.values.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the contents of a run of the recipe without interruptions."""
    run = tmp_path_factory.mktemp("whole")
    train_in(RECIPE, run)
    return contents(run)


@pytest.mark.parametrize(("stop", "kind"), [*((stop, "numpy") for stop in (0, 4, 9, 29)), pytest.param(12, "fast")])
def test_a_stopped_run_has_the_same_snapshots(tmp_path, stop, kind, whole):
    if kind != "numpy":
        train_in(RECIPE, tmp_path / "whole", engine_for(RECIPE, kind=kind))
        whole = contents(tmp_path / "whole")
    engine = engine_for(RECIPE, kind=kind)
    take_step = engine.take_step

    def take_and_stop(step, learning_rate):
        if step == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return take_step(step, learning_rate)

    engine.take_step = take_and_stop
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train_in(RECIPE, run, engine)
    assert _steps(run) == [step for step in STEPS if step <= stop]
    resume_in(RECIPE, run, kind)
    assert contents(run) == whole


def test_a_run_that_stops_early_keeps_its_last_weights(tmp_path):
    recipe = quick_recipe(snapshots=8, eval_stride=8, patience=1, learning_rate=0.0, min_lr=0.0, max_iters=1000)
    assert train_in(recipe, tmp_path).step == 10
    assert _steps(tmp_path) == [0, 1, 3, 10]
    before = contents(tmp_path)
    resume_in(recipe, tmp_path)
    assert contents(tmp_path) == before


def test_leftovers_and_damage_are_mended_and_files_of_others_stay(tmp_path, whole):
    train_in(RECIPE, tmp_path / "run")
    place, newest = tmp_path / "run" / "snapshots", snapshots_of(tmp_path / "run")[-1]
    (newest / "model.safetensors").write_bytes(b"damaged")
    (place / ".step-000000005.77-00c0ffee.tmp").mkdir()
    (place / ".step-000000005.replaced.77-00c0ffee.old").mkdir()
    newest.rename(newest.with_name("step-000000030.replaced"))
    resume_in(RECIPE, tmp_path / "run")
    assert contents(tmp_path / "run") == whole
    assert sorted(path.name for path in place.iterdir()) == [f"step-{step:09d}" for step in STEPS]
    (newest / "notes.txt").write_text("mine")  # a resumed run finds its bytes there, and leaves everything
    (place / "mine").mkdir()
    before = contents(tmp_path / "run")
    resume_in(RECIPE, tmp_path / "run")
    assert contents(tmp_path / "run") == before
    (newest / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"must be new, empty or a checkpoint's, and contains 'notes.txt'"):
        resume_in(RECIPE, tmp_path / "run")
    assert (newest / "notes.txt").read_text() == "mine"


def test_removal_leaves_everything_of_others(tmp_path):
    train_in(RECIPE, tmp_path)
    place = tmp_path / "snapshots"
    kept = snapshots_of(tmp_path)[1]
    (kept / "notes.txt").write_text("mine")
    (place / "step-1").mkdir()
    (place / "step-000000007").symlink_to(kept)
    (place / ".step-000000005.77-00c0ffee.old").mkdir()
    checkpoint = contents(tmp_path)
    assert [path.name for path in remove_snapshots(tmp_path).kept] == ["step-000000001", "step-000000007"]
    left = contents(tmp_path)
    assert left.items() <= checkpoint.items()
    assert sorted(path.name for path in place.iterdir()) == ["step-000000001", "step-000000007", "step-1"]
    assert all(name in left for name in checkpoint if not name.startswith("snapshots"))
    (kept / "notes.txt").unlink()
    (place / "step-000000007").unlink()
    (place / "step-1").rmdir()
    assert remove_snapshots(tmp_path).kept == []
    assert not place.exists()
    assert remove_snapshots(tmp_path) == ([], [])


def test_infinite_weights_are_no_snapshot(tmp_path):
    engine = engine_for(RECIPE)
    training_step = engine.training_step

    def overflow(inputs, targets, step, learning_rate):
        result = training_step(inputs, targets, step, learning_rate)
        if step == 4:
            engine.parameters["wte.weight"][3, 1] = np.inf
        return result

    engine.training_step = overflow
    with pytest.raises(Diverged, match=r"the weights must be finite, but wte.weight is not after step 5; \S+ keeps"):
        train_in(RECIPE, tmp_path, engine)
    assert _steps(tmp_path) == [0, 1, 2]
    assert load_checkpoint(tmp_path).step == 0


_FULL = """
import resource, signal, sys
import numpy_gpt.cli
from numpy_gpt.shared.runs import snapshots
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
save = snapshots.save_checkpoint

def save_on_a_full_disk(directory, checkpoint):
    if checkpoint.step == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 1 << 30))
    save(directory, checkpoint)

snapshots.save_checkpoint = save_on_a_full_disk
sys.exit(numpy_gpt.cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="resource limits are for POSIX")
def test_full_disk_loses_nothing(tmp_path, whole):
    words = ["train", "tiny", "--max_iters", "30", "--eval_interval", "10", "--log_interval", "5", "--dropout", "0.1"]
    words += ["--eval_stride", "8"]
    command = [sys.executable, "-c", _FULL, *words, "--snapshots", "6", "--out_dir", "run"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith("error: cannot write run/snapshots/step-000000005: File too large; is the place writable")
    assert sorted(path.name for path in (tmp_path / "run" / "snapshots").iterdir()) == [
        f"step-{step:09d}" for step in (0, 1, 2)
    ]
    resume_in(RECIPE, tmp_path / "run")
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snapshots": 1}, "snapshots must be 0, or at least 2, not 1"),
        ({"snapshots": -3}, "snapshots must be 0, or at least 2, not -3"),
        ({"snapshots": 32}, "snapshots must be at most 31, as there are only so many steps from 0 to max_iters"),
        ({"snapshots": 2, "max_iters": 0}, "snapshots must be at most 1"),
        ({"snapshots": 2.5}, "snapshots must be a whole number"),
    ],
)
def test_wrong_numbers_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        quick_recipe(**changes)
    assert quick_recipe(snapshots=31).training.snapshots == 31


def test_a_snapshot_with_other_bytes_is_replaced(tmp_path):
    train_in(RECIPE, tmp_path)
    model = load_checkpoint(snapshots_of(tmp_path)[-1])
    changed = replace(model, values={name: value + 1 for name, value in model.values.items()})
    assert checkpoints.is_saved(model.path, model) and not checkpoints.is_saved(model.path, changed)
    save_snapshot(tmp_path, changed)
    assert checkpoints.is_saved(model.path, changed)


def test_no_snapshot_follows_a_bad_step(tmp_path):
    """The fast engine does not wait for its steps; after a bad one the weights stay as they were."""
    recipe = quick_recipe(max_iters=8, eval_interval=8, eval_stride=8, log_interval=100, dropout=0.0, snapshots=9)
    engine = engine_for(recipe, kind="fast")
    take_step = engine.take_step

    def take_bad_step(step, learning_rate):
        weight = engine.parameters["ln_f.weight"].detach()
        weight.fill_(np.inf if step == 5 else 1.0)
        take_step(step, learning_rate)
        weight.fill_(1.0)

    engine.take_step = take_bad_step
    with pytest.raises(Diverged, match="the loss must be finite, but is nan at step 5"):
        train_in(recipe, tmp_path, engine)
    assert _steps(tmp_path) == [0, 1, 2, 3, 4, 5]
