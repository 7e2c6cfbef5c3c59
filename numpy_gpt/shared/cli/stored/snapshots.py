"""``snapshots``: list the snapshots that a run kept with ``train --snapshots N``, or remove them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import count_of, show_path
from numpy_gpt.shared.cli.parser import path, print_record, read_options
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.runs.run_directory import contains_run, lock_run
from numpy_gpt.shared.runs.snapshots import how_to_keep, remove_snapshots, snapshots_of
from numpy_gpt.shared.runs.step_directories import step_of

SCHEMA_VERSION = 1


class SnapshotsOptions(NamedTuple):
    """The flags of ``snapshots``."""

    run: Path
    remove: bool
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``snapshots``."""
    parser.add_argument("run", type=path, metavar="RUN", help="a run directory")
    parser.add_argument("--remove", action="store_true", help="remove them; the run's checkpoints and metrics stay")
    parser.add_argument("--json", action="store_true", help="print one JSON record instead of the table")
    parser.set_defaults(command=lambda arguments: snapshots(read_options(SnapshotsOptions, arguments)))


SNAPSHOTS_COMMAND = Command(
    "snapshots",
    "list the snapshots of a run, or remove them",
    _add_flags,
    ("snapshots runs/tiny", "snapshots runs/tiny --remove"),
    "Snapshots are kept by train --snapshots N. Every command takes the directory of one as a model.",
)


def snapshots(options: SnapshotsOptions) -> int:
    """List or remove the snapshots and return the exit status.

    Raises
    ------
    UserError
        If there is no such run, it cannot be read, or ``--remove`` finds another process training in it.
    """
    run = options.run
    found = snapshots_of(run)
    if not found and not contains_run(run):
        what = "but has neither checkpoints nor snapshots"
        raise UserError(f"{show_path(run)} must be a run directory of `train`, {what}")
    if not found and not options.json:
        print(how_to_keep(run))
        return 0
    sizes = [_size_of(directory) for directory in found]
    if options.remove:
        return _remove(run, sum(sizes), options.json)
    if options.json:
        rows = [
            {"step": step_of(directory), "bytes": size, "path": str(directory)}
            for directory, size in zip(found, sizes, strict=True)
        ]
        print_record({"schema_version": SCHEMA_VERSION, "snapshots": rows})
    else:
        print("\n".join(_table(found, sizes)))
    return 0


def _table(found: Sequence[Path], sizes: Sequence[int]) -> list[str]:
    rows = [(f"{step_of(place):,}", f"{size:,}", show_path(place)) for place, size in zip(found, sizes, strict=True)]
    total = f"{count_of(len(found), 'snapshot')}, {count_of(sum(sizes), 'byte')}; snapshots --remove removes them"
    return [*table_lines([Column("step"), Column("bytes"), Column("path", "left")], rows), total]


def _remove(run: Path, size: int, json: bool) -> int:
    with lock_run(run):
        removed, kept = remove_snapshots(run)
    if json:
        print_record(
            {"schema_version": SCHEMA_VERSION, "removed": list(map(str, removed)), "kept": list(map(str, kept))}
        )
        return 0
    print(f"removed {count_of(len(removed), 'snapshot')} of {show_path(run)}" + f" ({size:,} bytes)" * (not kept))
    for place in kept:
        print(f"kept {show_path(place)}: it is a link, or contains other files")
    return 0


def _size_of(directory: Path) -> int:
    """Return the bytes of the files in a directory, as far as they can be read."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(directory) if entry.is_file())
    except OSError:
        return 0
