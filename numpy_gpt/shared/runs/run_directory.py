"""A run directory: a lock for its one training process, the newest two checkpoints, and the best one.

runs/tiny/metrics.jsonl
runs/tiny/checkpoints/step-000005500/    config.json  model.safetensors  optimizer.safetensors  checkpoint.json
runs/tiny/checkpoints/step-000006000/
runs/tiny/snapshots/                     see snapshots.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.atomic import make_directory
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.checkpoint import MANIFEST, Checkpoint, read_checkpoint, remove_checkpoint, save_checkpoint
from numpy_gpt.shared.runs.metrics import METRICS_FILE, read_metrics
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.runs.step_directories import newest_first, settle, step_directory, step_of

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_NEWEST = 2  # evaluated checkpoints that are kept
WHICH = ("last", "best")
CHECKPOINTS = "checkpoints"
"""The directory of a run that contains its checkpoints."""


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Create the run directory if necessary and lock it: two processes would overwrite each other's checkpoints.

    The operating system releases the lock however the process ends. If the operating system or the file system
    cannot lock directories, there is no lock. A new directory in which nothing was written is removed after an error.

    Raises
    ------
    UserError
        If another process holds the lock, or the directory cannot be created or read.
    """
    with make_directory(run):
        if fcntl is None:
            yield
            return
        try:
            descriptor = os.open(run, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"cannot read {show_path(run)}: {error.strerror or error}; choose another place") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another process is training in {show_path(run)}; wait until it has ended, or choose another place"
                ) from None
            except OSError:  # a network file system without locks
                pass
            yield
        finally:
            os.close(descriptor)


@contextmanager
def new_directory(wanted: Path) -> Iterator[Path]:
    """Create the first of ``wanted``, wanted-2, wanted-3 … that does not exist; no other process gets the same one.

    If nothing is written to it, it is removed after an error.

    Raises
    ------
    UserError
        If it cannot be created.
    """
    with make_directory(wanted.parent):
        directory, number = wanted, 1
        while not _make_if_missing(directory):
            number += 1
            directory = wanted.with_name(f"{wanted.name}-{number}")
        try:
            yield directory
        except BaseException:
            with suppress(OSError):  # it contains something
                directory.rmdir()
            raise


def _make_if_missing(directory: Path) -> bool:
    try:
        directory.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(
            f"cannot make the directory {show_path(directory)}: {error.strerror or error}; choose another"
        ) from error
    return True


def contains_run(directory: Path) -> bool:
    """Return whether a directory contains checkpoints, or metrics of a step, which come after the first checkpoint.

    Raises
    ------
    UserError
        If it cannot be read, or contains other metrics.
    """
    if newest_first(directory / CHECKPOINTS):
        return True
    return os.path.lexists(directory / METRICS_FILE) and any(record.step > 0 for record in read_metrics(directory))


def save_in_run(run: Path, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint as the run's newest, remove those no longer needed, and return its directory.

    Raises
    ------
    UserError
        If it cannot be written; the previous checkpoints are then untouched.
    """
    directory = _checkpoint_path(run, checkpoint.step)
    save_checkpoint(directory, checkpoint)
    remove_outdated(run, checkpoint.step, checkpoint.recipe or {}, checkpoint.state or RunState())
    return directory


def remove_outdated(run: Path, step: int, recipe: Mapping[str, Any], state: RunState) -> None:
    """Remove what the run no longer needs once the checkpoint of ``step`` is complete; the files of others stay.

    A process may be killed after writing that checkpoint and before this; a resumed run therefore does this first.
    """
    place = run / CHECKPOINTS
    settle(place)
    older = [path for path in newest_first(place) if step_of(path) <= step]
    needed = _needed_steps(step, recipe, state, [step_of(path) for path in older])
    for path in older:
        if step_of(path) not in needed:
            remove_checkpoint(path)


def _needed_steps(
    step: int, recipe: Mapping[str, Any], state: RunState, newest_first: Sequence[int]
) -> set[int | None]:
    """Return the steps whose checkpoints are kept: this one, the best one, and the two newest evaluated ones.

    A checkpoint written by an interruption between two evaluations is removed at the next evaluation; the directory is
    then the same as without the interruption.
    """
    training = recipe.get("training", {})
    interval, end = training.get("eval_interval", 1), training.get("max_iters")
    evaluated = [newer for newer in newest_first if newer % interval == 0 or newer == end]
    return {step, state.best_step, *evaluated[:_NEWEST]}


def load_checkpoint(path: Path, which: str = "last", warn: Callable[[str], object] | None = None) -> Checkpoint:
    """Return the checkpoint in ``path``, which is a checkpoint directory or a run: its newest intact one, or its best.

    ``warn`` is called with one line if a newer one is damaged.

    Raises
    ------
    UserError
        If there is none, or it is damaged, incomplete, in another format, or inconsistent with its own config.
    """
    last, damage = load_newest(path)
    if damage and warn is not None:
        warn(damage)
    best = (last.state or RunState()).best_step
    return last if which == "last" or best in (None, last.step) else read_checkpoint(_checkpoint_path(path, best))


def load_newest(path: Path) -> tuple[Checkpoint, str]:
    """Return the newest intact checkpoint, and one line about newer, damaged ones, or an empty string.

    Raises
    ------
    UserError
        If there is no intact checkpoint.
    """
    candidates = newest_first(path / CHECKPOINTS) or [path]
    if candidates == [path] and os.path.lexists(path / METRICS_FILE) and not os.path.lexists(path / MANIFEST):
        remedy = f"repeat it with --out_dir {show_path(path)}"
        raise UserError(f"no model at {show_path(path)}: training ended before the first checkpoint; {remedy}")
    damage = ""
    for place, candidate in enumerate(candidates):
        try:
            checkpoint = read_checkpoint(candidate)
        except UserError as error:
            if place == len(candidates) - 1:
                raise
            damage = damage or str(error)
        else:
            return checkpoint, f"{damage}; took {show_path(candidate)} instead" if damage else ""
    raise UserError(f"no checkpoint in {show_path(path)}")


def _checkpoint_path(run: Path, step: int) -> Path:
    return step_directory(run / CHECKPOINTS, step)
