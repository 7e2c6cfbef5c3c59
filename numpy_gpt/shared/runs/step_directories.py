"""Directories of checkpoints, one a step, named ``step-000006000``; any other name belongs to the user."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.files.temporary import remove_leftovers
from gpt_data.wording import show_path
from numpy_gpt.shared.runs.checkpoint import REPLACED_SUFFIX, remove_checkpoint

_NAME = re.compile(rf"step-(\d{{9,}})({re.escape(REPLACED_SUFFIX)})?")


def step_directory(place: Path, step: int) -> Path:
    """Return the path of a step's checkpoint in ``place``."""
    return place / f"step-{step:09d}"


def step_of(directory: Path) -> int:
    """Return the step of a directory that ``newest_first`` returned."""
    return int(directory.name.removeprefix("step-").removesuffix(REPLACED_SUFFIX))


def newest_first(place: Path) -> list[Path]:
    """Return the checkpoints in ``place``, the newest first; none if there is no such directory.

    step-N comes before step-N.replaced, which exists only while a new checkpoint of step N takes its place.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        found = [path for path in place.iterdir() if _NAME.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read {show_path(place)}: {error.strerror or error}; check the path") from error
    return sorted(found, key=lambda path: (-step_of(path), path.name))


def settle(place: Path) -> None:
    """Complete or undo what a process left that was killed while it wrote, replaced or removed a checkpoint."""
    remove_leftovers(place, lambda name: _NAME.fullmatch(name) is not None)
    for replaced in [path for path in newest_first(place) if path.name.endswith(REPLACED_SUFFIX)]:
        original = replaced.with_name(replaced.name.removesuffix(REPLACED_SUFFIX))
        if os.path.lexists(original):
            remove_checkpoint(replaced)
        elif not replaced.is_symlink():
            replaced.rename(original)
