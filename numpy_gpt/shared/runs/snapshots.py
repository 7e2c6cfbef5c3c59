"""The snapshots of a run: its weights at several steps, without what training needs to resume.

runs/tiny/snapshots/step-000000018/    config.json  model.safetensors  checkpoint.json

Each is a checkpoint that every command accepts as a model.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gpt_data.wording import show_path
from numpy_gpt.shared.runs.checkpoint import Checkpoint, is_saved, remove_checkpoint, save_checkpoint
from numpy_gpt.shared.runs.step_directories import newest_first, settle, step_directory, step_of

SNAPSHOTS = "snapshots"
"""The directory of a run that contains them."""


class Removal(NamedTuple):
    """What ``remove_snapshots`` removed, and what it left because there are other files in it, or it is a link."""

    removed: list[Path]
    kept: list[Path]


def save_snapshot(run: Path, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint as the snapshot of its step, and return its directory.

    A resumed run repeats steps: a snapshot that is already there, with the same bytes, is not touched.

    Raises
    ------
    UserError
        If it cannot be written, or its directory contains anything else; nothing there is changed then.
    """
    place = run / SNAPSHOTS
    directory = step_directory(place, checkpoint.step)
    if not is_saved(directory, checkpoint):
        save_checkpoint(directory, checkpoint)
    settle(place)
    return directory


def snapshots_of(run: Path) -> list[Path]:
    """Return the directories of a run's snapshots, in order of their steps.

    Raises
    ------
    UserError
        If the place cannot be read.
    """
    found: dict[int, Path] = {}
    for directory in reversed(newest_first(run / SNAPSHOTS)):
        found[step_of(directory)] = directory  # step-N comes after step-N.replaced, which it replaces
    return list(found.values())


def remove_snapshots(run: Path) -> Removal:
    """Remove a run's snapshots, and nothing else.

    Raises
    ------
    UserError
        If the place cannot be read.
    """
    place = run / SNAPSHOTS
    settle(place)
    found = newest_first(place)
    for directory in found:
        remove_checkpoint(directory)
    kept = newest_first(place)
    with suppress(OSError):  # it contains files of others, or does not exist
        place.rmdir()
    return Removal(sorted(set(found) - set(kept)), sorted(kept))


def how_to_keep(run: Path) -> str:
    """Return the sentence for a run without snapshots."""
    return (
        f"{show_path(run)} has no snapshots: they are kept while a model is trained; "
        "train one with --snapshots N, such as --snapshots 8"
    )
