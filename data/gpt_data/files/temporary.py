"""Temporary files and directories, next to what they will replace: never in the way of others, never left for good.

Their names contain the process and a random number. Each is locked while its writer lives, so that the next writer can
remove what a killed one has left. No other name is ever removed, and nothing that is locked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

Made = TypeVar("Made", bound=AbstractContextManager[object])

_NAME = re.compile(r"\.(.+)\.\d+-[0-9a-f]{8}\.(?:tmp|old)", re.DOTALL)


def temporary_path(target: Path, ending: str) -> Path:
    """Return a unique hidden path in the same directory, so that a rename stays on one file system and is atomic.

    ``ending`` is tmp for what will replace the target, and old for what is being removed.
    """
    return target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.{ending}")


def temporary_target(name: str) -> str | None:
    """Return the name of the target if ``name`` is that of a ``temporary_path``, otherwise None."""
    found = _NAME.fullmatch(name)
    return found and found[1]


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new temporary file for a ``with`` block to write and rename; if it was not renamed, it is removed.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    path, file, lock = _create(target, lambda path: path.open("xb"))
    try:
        with file:
            yield path, file
    finally:
        _release(path, lock)


@contextmanager
def temporary_directory(target: Path) -> Iterator[Path]:
    """Create a temporary directory for a ``with`` block to fill and rename; if it was not renamed, it is removed.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    path, _, lock = _create(target, _make_directory)
    try:
        yield path
    finally:
        _release(path, lock)


def remove_leftovers(directory: Path, is_target: Callable[[str], bool]) -> None:
    """Remove what killed processes have left of temporary files and directories for targets of these names."""
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError:
        return
    for name in names:
        target = temporary_target(name)
        if target is not None and is_target(target):
            with suppress(OSError):
                _remove_unlocked(directory / name)


def remove_tree(directory: Path) -> None:
    """Remove a directory and everything in it, as far as that is possible."""
    from shutil import rmtree  # imported only to remove: the import takes 3 ms of every command's start

    rmtree(directory, ignore_errors=True)


def _make_directory(path: Path) -> AbstractContextManager[None]:
    path.mkdir()
    return nullcontext()


def _create(target: Path, create: Callable[[Path], Made]) -> tuple[Path, Made, int | None]:
    while True:
        path = temporary_path(target, "tmp")
        made, lock = create(path), _lock(path, wait=True)
        if path.exists():
            return path, made, lock
        with made:  # before it was locked, another writer removed it as a leftover
            _release(path, lock)


def _release(path: Path, lock: int | None) -> None:
    _remove(path)
    if lock is not None:
        os.close(lock)


def _lock(path: Path, *, wait: bool) -> int | None:
    """Return a descriptor that holds the lock, or None if somebody else does, or the file system has no locks."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_unlocked(path: Path) -> None:
    if not path.is_symlink() and (path.is_file() or path.is_dir()):
        if (lock := _lock(path, wait=False)) is not None:
            _release(path, lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
    else:
        with suppress(OSError):
            path.unlink()
