"""A model as the files of another program, and how they are written: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from gpt_data.files.atomic import atomic_files, check_replaceable, make_directory
from numpy_gpt.shared.runs.checkpoint import Checkpoint


class Exported(NamedTuple):
    """The files of a model by their path in its directory, and what of the model was changed or is not in them.

    ``usage`` says how the other program reads them; {place} in it is the directory for a shell, {python} the directory
    as text of Python.
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...]
    usage: str


def write_exported(directory: Path, exported: Exported) -> None:
    """Write the files to ``directory``, which must be new or empty, or have nothing but files of the same names.

    Raises
    ------
    UserError
        If it contains anything else, or cannot be written; nothing has then changed.
    """
    check_export_place(directory, exported)
    paths = [directory / name for name in exported.files]
    with ExitStack() as stack:
        for parent in dict.fromkeys(path.parent for path in paths):
            stack.enter_context(make_directory(parent))
        for file, content in zip(stack.enter_context(atomic_files(*paths)), exported.files.values(), strict=True):
            file.write(content)


def check_export_place(directory: Path, exported: Exported) -> None:
    """Refuse a directory with other files: another model's would be taken for a part of this one.

    Raises
    ------
    UserError
        If it is a file, or contains one with another name.
    """
    names = {name.partition("/")[0] for name in exported.files}
    check_replaceable(directory, "an earlier export's in this format", names.__contains__)


def training_notes(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return what of a training run the files of a model have no place for."""
    return ("left out: the optimizer's moments, so training cannot resume from it",) if checkpoint.moments else ()
