"""Files that are never half written: a temporary file beside the old one, synced, then renamed over it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gpt_data.errors import UserError
from gpt_data.wording import show_path

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # what a file system says that cannot sync a directory


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write the whole file or nothing.

    Raises
    ------
    UserError
        If it cannot be written; the old file is then as it was and no temporary file is left.
    """
    with atomic_files(path) as (file,):
        file.write(content)


@contextmanager
def atomic_files(*paths: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, ...]]:
    """Open files for a ``with`` block to write; they replace the old ones only when it ends well.

    All are complete and on the disk before the first is renamed, so a full disk leaves every old file as it
    was. The renames follow in the order given: put last the file that vouches for the others. A crash between
    two of them leaves complete files of which some are old, so that file needs their checksums. The block
    should do nothing but write: an OSError in it is taken for a failure to write.

    Raises
    ------
    UserError
        If a file cannot be written, or a directory, a pipe or a device has its name.
    """
    # Where a path is a link, the link stays and what it points to is replaced.
    targets = [Path(os.path.realpath(path)) for path in paths]
    temporary = [_beside(target) for target in targets]
    names = " and ".join(map(show_path, paths))
    try:
        with ExitStack() as stack:
            for target in targets:
                if target.exists() and not target.is_file():
                    raise UserError(f"cannot write {show_path(target)}: it is not a regular file; choose another place")
            for path in temporary:
                stack.callback(path.unlink, missing_ok=True)  # finds nothing after the rename
            files = tuple(stack.enter_context(path.open("xb")) for path in temporary)
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for path, target in zip(temporary, targets, strict=True):
                os.replace(path, target)  # noqa: PTH105 - the system call itself, which tests make fail
            for directory in dict.fromkeys(target.parent for target in targets):
                sync_directory(directory)
    except OSError as error:
        raise UserError(
            f"cannot write {names}: {error.strerror or error}; is the place writable, has it room?"
        ) from error


@contextmanager
def made_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a directory, and those above it, for a ``with`` block to fill; if it fails, those made are removed.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    place, missing = Path(path), list[Path]()
    try:
        try:
            missing += [directory for directory in (place, *place.parents) if not directory.exists()]
            place.mkdir(parents=True, exist_ok=True)
            for directory in missing:
                sync_directory(directory.parent)
        except OSError as error:
            raise UserError(
                f"cannot make the directory {show_path(place)}: {error.strerror or error}; choose another"
            ) from error
        yield place
    except BaseException:
        for directory in missing:  # from the innermost outwards; one that somebody else has filled stays
            with suppress(OSError):
                directory.rmdir()
        raise


def _beside(target: Path) -> Path:
    # The same directory is the same file system, where a rename is one step; the name is nobody else's.
    return target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


def sync_directory(directory: Path) -> None:
    """Make the renames themselves survive a power cut; the files are complete under their names already."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no directories
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        with suppress(OSError):
            os.close(descriptor)
