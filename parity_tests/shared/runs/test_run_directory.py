"""Run directories: which checkpoints are kept and loaded, and that replacing one never leaves none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gpt_data.errors import UserError
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.runs import checkpoint as checkpoints
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.run_directory import (
    load_checkpoint,
    load_newest,
    new_directory,
    remove_outdated,
    save_in_run,
)
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

CONFIG = GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
TRAINING = TrainingConfig(eval_interval=10, max_iters=45)
RECIPE = Recipe(name="test", dataset="tiny", model=CONFIG, training=TRAINING).to_dict()


def _checkpoint(step: int, seed: int = 1, best: int | None = None) -> Checkpoint:
    values, m, v = (initial_values(CONFIG, seed + place, "float64") for place in range(3))
    return Checkpoint(
        CONFIG, WordTokenizer((" ", "a", "bee")), values, step, RECIPE, None, (m, v), _state(step, best), "text"
    )


def _state(step: int, best: int | None) -> RunState:
    return RunState(step) if best is None else RunState(step, 1.0, best)


def _steps(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def _name(step: int) -> str:
    return f"step-{step:09d}"


def test_newest_two_and_best_are_kept(tmp_path):
    for step in (0, 10, 20, 30, 40, 45):
        save_in_run(tmp_path, _checkpoint(step, best=10 if step >= 10 else 0))
    assert _steps(tmp_path) == [_name(10), _name(40), _name(45)]


def test_interruption_checkpoint_is_removed_later(tmp_path):
    for step in (10, 20, 25):
        save_in_run(tmp_path, _checkpoint(step))
    assert _steps(tmp_path) == [_name(10), _name(20), _name(25)]
    save_in_run(tmp_path, _checkpoint(30))
    assert _steps(tmp_path) == [_name(20), _name(30)]


def test_user_copies_are_ignored(tmp_path):
    for name in ("step-backup", f"{_name(10)}-good", "step-1", "step-000000010.old"):
        checkpoints.save_checkpoint(tmp_path / "checkpoints" / name, _checkpoint(50))
    for step in (10, 20, 30, 40):
        save_in_run(tmp_path, _checkpoint(step))
    assert _steps(tmp_path) == sorted(
        ["step-backup", f"{_name(10)}-good", "step-1", "step-000000010.old", _name(30), _name(40)]
    )
    assert load_checkpoint(tmp_path).step == 40


def test_resumed_run_removes_outdated_checkpoints(tmp_path):
    for step in (20, 30):
        save_in_run(tmp_path, _checkpoint(step))
    last = _checkpoint(40, best=40)
    checkpoints.save_checkpoint(tmp_path / "checkpoints" / _name(40), last)
    (tmp_path / "checkpoints" / f".{_name(40)}.77-00c0ffee.tmp").mkdir()
    newer = tmp_path / "checkpoints" / _name(45)
    newer.mkdir()  # damaged, or the run would have resumed from it: replaced at its step
    remove_outdated(tmp_path, 40, last.recipe, last.state)
    assert _steps(tmp_path) == [_name(30), _name(40), _name(45)]


def test_files_of_others_are_left_alone(tmp_path):
    for step in (10, 20, 30):
        save_in_run(tmp_path, _checkpoint(step))
    place, elsewhere = tmp_path / "checkpoints", tmp_path / "elsewhere"
    (place / ".step-mine").mkdir()
    (place / ".step-mine" / "notes.txt").write_text("mine")
    (place / _name(20) / "notes.txt").write_text("mine")
    checkpoints.save_checkpoint(elsewhere, _checkpoint(2))
    (place / _name(2)).symlink_to(elsewhere)
    (place / f"{_name(3)}.replaced").symlink_to(elsewhere)
    (place / _name(4)).write_text("a file")
    (place / _name(5)).symlink_to("nowhere")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for step in (40, 50):
        save_in_run(tmp_path, _checkpoint(step))
    last = _checkpoint(50)
    remove_outdated(tmp_path, 50, last.recipe, last.state)
    assert _steps(tmp_path) == sorted([".step-mine", _name(2), f"{_name(3)}.replaced", *map(_name, (4, 5, 20, 40, 50))])
    assert all(path.read_bytes() == before[path] for path in before if _name(30) not in str(path))
    assert load_checkpoint(tmp_path).step == 50


def test_an_unreadable_newest_checkpoint_falls_back(tmp_path, monkeypatch):
    for step in (10, 20):
        newest = save_in_run(tmp_path, _checkpoint(step))
    real = {name: getattr(os, name) for name in ("stat", "lstat", "open")}

    def refuse(name):  # as for a directory without permissions, which root ignores
        def call(path, *arguments, **options):
            if str(path).startswith(f"{newest}/"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real[name](path, *arguments, **options)

        return call

    for name in real:
        monkeypatch.setattr(os, name, refuse(name))
    checkpoint, damage = load_newest(tmp_path)
    assert checkpoint.step == 10
    assert f"cannot read {newest}/checkpoint.json: Permission denied" in damage
    assert damage.endswith(f"took {tmp_path}/checkpoints/{_name(10)} instead")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch, lambda path: path.symlink_to(path.name)])
def test_anything_else_in_a_checkpoint_s_place_falls_back(tmp_path, make):
    save_in_run(tmp_path, _checkpoint(10))
    make(tmp_path / "checkpoints" / _name(20))
    checkpoint, damage = load_newest(tmp_path)
    assert checkpoint.step == 10
    assert f"no model at {tmp_path}/checkpoints/{_name(20)}" in damage


def test_an_unreadable_place_is_named(tmp_path, monkeypatch):
    save_in_run(tmp_path, _checkpoint(10))

    def iterdir(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(UserError, match=r"cannot read .*/checkpoints: Permission denied; check the path"):
        load_newest(tmp_path)


def test_new_directories_are_never_shared(tmp_path):
    wanted, claimed = tmp_path / "runs" / "tiny", []
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: stack.enter_context(new_directory(wanted)), range(8)))
    assert sorted(path.name for path in claimed) == ["tiny", *(f"tiny-{number}" for number in range(2, 9))]
    with pytest.raises(UserError), new_directory(wanted) as place:
        assert place.name == "tiny-9"
        raise UserError("nothing was written")
    assert not place.exists()
    place.write_text("a file")
    with pytest.raises(UserError, match=r"cannot make the directory .*: "), new_directory(place / "x"):
        raise AssertionError("the block must not begin")


def test_damage_is_reported_in_one_line(tmp_path):
    for step in (10, 20):
        directory = save_in_run(tmp_path, _checkpoint(step))
    (directory / "model.safetensors").write_bytes(b"x")
    checkpoint, damage = load_newest(tmp_path)
    assert checkpoint.step == 10
    assert damage.count("\n") == 0
    assert f"{_name(20)}/model.safetensors is damaged" in damage
    assert damage.endswith(f"took {tmp_path}/checkpoints/{_name(10)} instead")


def test_damaged_best_checkpoint_is_an_error(tmp_path):
    for step in (10, 20):
        save_in_run(tmp_path, _checkpoint(step, best=10))
    assert load_checkpoint(tmp_path, "best").step == 10
    (tmp_path / "checkpoints" / _name(10) / "checkpoint.json").unlink()
    with pytest.raises(UserError, match=r"no model at .*step-000000010"):
        load_checkpoint(tmp_path, "best")


def test_replacing_always_leaves_a_complete_one(tmp_path, monkeypatch):
    old, new = _checkpoint(10, seed=1), _checkpoint(10, seed=9)
    real = Path.rename
    for survived in range(4):  # the old one renamed; the new one in place; the old one hidden; done
        run = tmp_path / str(survived)
        save_in_run(run, old)
        done = 0

        def rename(path, target, limit=survived):
            nonlocal done
            if done == limit:
                raise _Killed
            done += 1
            return real(path, target)

        monkeypatch.setattr(Path, "rename", rename)
        if survived < 3:
            with pytest.raises(_Killed):
                save_in_run(run, new)
        else:
            save_in_run(run, new)
        monkeypatch.setattr(Path, "rename", real)
        loaded, damage = load_newest(run)
        assert not damage
        wte = loaded.values["wte.weight"].tolist()
        assert wte == (old if survived < 2 else new).values["wte.weight"].tolist()
        save_in_run(run, _checkpoint(20))  # the next save removes the rest
        assert _steps(run) == [_name(10), _name(20)]


class _Killed(BaseException):
    """An exception that nothing catches, like SIGKILL for a process."""


def test_nonfinite_weights_are_never_written(tmp_path):
    good = _checkpoint(10)
    save_in_run(tmp_path, good)
    bad = {name: array * float("nan") for name, array in good.values.items()}
    with pytest.raises(UserError, match=r"must contain only finite numbers, but wte.weight does not; nothing was"):
        save_in_run(tmp_path, replace(good, step=20, values=bad))
    assert _steps(tmp_path) == [_name(10)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="resource limits are for POSIX")
@pytest.mark.parametrize("limit", [0, 100, 400, 900, 1500, 2000])
def test_full_disk_keeps_the_previous_checkpoint(tmp_path, limit):
    save_in_run(tmp_path, _checkpoint(10))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert max(map(len, before.values())) > 2000  # so that every limit above is too small for one of the files
    program = textwrap.dedent(
        f"""
        import resource, signal
        from pathlib import Path
        from gpt_data.errors import UserError
        from numpy_gpt.shared.runs.run_directory import load_checkpoint, save_in_run
        from dataclasses import replace
        run = Path({str(tmp_path)!r})
        checkpoint = replace(load_checkpoint(run), step=20)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            save_in_run(run, checkpoint)
        except UserError as error:
            print(error)
        """
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "File too large; is the place writable and not full?" in out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert _steps(tmp_path) == [_name(10)]
    assert load_checkpoint(tmp_path).step == 10


def test_temporary_directory_of_the_same_pid(tmp_path):
    left_over = tmp_path / "checkpoints" / f".{_name(10)}.{os.getpid()}-00c0ffee.tmp"
    left_over.mkdir(parents=True)
    save_in_run(tmp_path, _checkpoint(10))
    assert _steps(tmp_path) == [_name(10)]
    assert checkpoints.read_checkpoint(tmp_path / "checkpoints" / _name(10)).step == 10


def test_damage_of_the_newest_checkpoint_is_reported(tmp_path):
    for step in (10, 20):
        save_in_run(tmp_path, _checkpoint(step))
    (tmp_path / "checkpoints" / "step-000000020" / "checkpoint.json").write_text("x")
    lines = []
    assert load_checkpoint(tmp_path, warn=lines.append).step == load_checkpoint(tmp_path).step == 10
    (line,) = lines
    assert "checkpoint.json" in line and line.endswith("step-000000010 instead")
