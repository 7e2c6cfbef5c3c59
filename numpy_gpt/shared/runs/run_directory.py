"""A run directory: its newest two checkpoints and the best one, each a directory under ``checkpoints/``.

runs/tiny/metrics.jsonl
runs/tiny/checkpoints/step-000005500/    model.safetensors  optimizer.safetensors  checkpoint.json
runs/tiny/checkpoints/step-000006000/
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.checkpoint import SET_ASIDE, Checkpoint, read_checkpoint, remove_directory, save_checkpoint

_KEPT = 2
_NAME = re.compile(rf"step-(\d{{9,}})({re.escape(SET_ASIDE)})?")  # any other name is the user's own
WHICH = ("last", "best")


def save_in_run(run: Path, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint as the run's newest, drop those that are no longer needed, and return its directory.

    Raises
    ------
    UserError
        If it cannot be written; what was there before is then untouched.
    """
    directory = _place(run, checkpoint.step)
    save_checkpoint(directory, checkpoint)
    tidy(run, checkpoint.step, checkpoint.recipe or {}, checkpoint.state or {})
    return directory


def tidy(run: Path, step: int, recipe: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Drop what the run no longer needs once the checkpoint of ``step`` is complete.

    A process may be killed after writing it and before this; whoever goes on from it does this first.
    """
    places = run / "checkpoints"
    for left_over in places.glob(".step-*"):  # of a process that was killed while it wrote
        shutil.rmtree(left_over, ignore_errors=True)
    for replaced in [path for path in _newest_first(run) if path.name.endswith(SET_ASIDE)]:
        # Of one that was killed while it replaced a checkpoint.
        own = replaced.with_name(replaced.name.removesuffix(SET_ASIDE))
        remove_directory(replaced) if own.exists() else replaced.rename(own)
    older = [path for path in _newest_first(run) if _step(path) <= step]
    kept = _kept(step, recipe, state, [_step(path) for path in older])
    for path in older:
        if _step(path) not in kept:
            remove_directory(path)


def _kept(
    step: int, recipe: Mapping[str, Any], state: Mapping[str, Any], newest_first: Sequence[int]
) -> set[int | None]:
    """Return the steps whose checkpoints stay: this one, the best, and the two newest of those that were evaluated.

    What an interruption wrote between two evaluations goes with the next one, and then the directory is what it would
    be without the interruption.
    """
    training = recipe.get("training", {})
    interval, end = training.get("eval_interval", 1), training.get("max_iters")
    evaluated = [newer for newer in newest_first if newer % interval == 0 or newer == end]
    return {step, state.get("best_step"), *evaluated[:_KEPT]}


def load_checkpoint(path: Path, which: str = "last") -> Checkpoint:
    """Return the checkpoint in ``path``: a checkpoint directory, or a run's newest good one, or its best one.

    Raises
    ------
    UserError
        If there is none, or it is damaged, incomplete, of another format, or does not fit its own config.
    """
    last = load_newest(path)[0]
    best = (last.state or {}).get("best_step")
    return last if which == "last" or best in (None, last.step) else read_checkpoint(_place(path, best))


def load_newest(path: Path) -> tuple[Checkpoint, str]:
    """Return the newest good checkpoint, and one line about those newer ones that are damaged, or nothing.

    Raises
    ------
    UserError
        If there is no good one.
    """
    candidates = _newest_first(path) or [path]
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


def _place(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step-{step:09d}"


def _newest_first(run: Path) -> list[Path]:
    # Of one step, step-N comes before step-N.replaced, which is there only while another takes its place.
    found = [path for path in (run / "checkpoints").glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (-_step(path), path.name))


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-").removesuffix(SET_ASIDE))
