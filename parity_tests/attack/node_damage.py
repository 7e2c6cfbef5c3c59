"""Damage to what a name stands for: nothing, a directory, a pipe, a link, a device, a file without end or another's."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random


def _sparse(rng: Random, path: Path) -> None:
    path.touch()
    os.truncate(path, 30 << 30)


def _socket(rng: Random, path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have only about 100 characters
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(before)


NODE_DAMAGES: dict[str, Callable[[Random, Path], None]] = {
    "missing": lambda rng, path: None,
    "a directory": lambda rng, path: path.mkdir(),
    "a pipe": lambda rng, path: os.mkfifo(path),
    "a socket": _socket,
    "a link to itself": lambda rng, path: path.symlink_to(path.name),
    "a link to nothing": lambda rng, path: path.symlink_to("missing"),
    "a link to /dev/zero": lambda rng, path: path.symlink_to("/dev/zero"),
    "a link to /dev/full": lambda rng, path: path.symlink_to("/dev/full"),
    "a link to /dev/tty": lambda rng, path: path.symlink_to("/dev/tty"),
    "a link to /proc/self/mem": lambda rng, path: path.symlink_to("/proc/self/mem"),
    "a sparse file of 30 GB": _sparse,
}
"""Name → a function that puts something where the path's file or directory was."""


def replace_node(rng: Random, path: Path, here: Path, *, may_be_endless: bool) -> str:
    """Replace a file or a directory below ``here``, if it exists, with something else, and return what that is."""
    others = [other for other in sorted(here.rglob("*")) if other.is_file() and other.name != path.name]
    choices = [name for name in NODE_DAMAGES if may_be_endless or "sparse" not in name]
    what = rng.choice([*choices, "another's file", "another's file"])
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if what in NODE_DAMAGES:
        NODE_DAMAGES[what](rng, path)
        return what
    other = rng.choice([other for other in others if other.exists()])
    shutil.copyfile(other, path)
    return f"a copy of {other.relative_to(here)}"
