"""Files that are never half written: a temporary file in the same directory is synced, then renamed over the old one.

A directory is replaced only if everything in it was written by this program.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gpt_data.errors import UserError
from gpt_data.wording import quote, show_path

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # from a file system that cannot sync a directory


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write the whole file or nothing.

    Raises
    ------
    UserError
        If it cannot be written; the old file is then unchanged and no temporary file remains.
    """
    with atomic_files(path) as (file,):
        file.write(content)


@contextmanager
def atomic_files(*paths: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, ...]]:
    """Open files for a ``with`` block to write; they replace the old ones only if the block succeeds.

    All files are complete and on disk before the first is renamed, so a full disk leaves every old file
    unchanged. They are renamed in the order given: put the file that verifies the others last. A crash between
    two renames leaves a mix of complete old and new files, so that last file needs the checksums of the others. The
    block should only write: an OSError in it is reported as a failure to write.

    Raises
    ------
    UserError
        If a file cannot be written, or if its name belongs to a directory, a pipe or a device.
    """
    # If a path is a symbolic link, the link is kept and its target is replaced.
    targets = [Path(os.path.realpath(path)) for path in paths]
    temporary = [_temporary_path(target) for target in targets]
    names = " and ".join(map(show_path, paths))
    try:
        with ExitStack() as stack:
            for target in targets:
                if target.exists() and not target.is_file():
                    raise UserError(f"cannot write {show_path(target)}: it is not a regular file; choose another place")
            for path in temporary:
                stack.callback(path.unlink, missing_ok=True)  # after the rename there is nothing to remove
            files = tuple(stack.enter_context(path.open("xb")) for path in temporary)
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for path, target in zip(temporary, targets, strict=True):
                os.replace(path, target)  # noqa: PTH105 - tests make this exact call fail
            for directory in dict.fromkeys(target.parent for target in targets):
                sync_directory(directory)
    except OSError as error:
        raise UserError(
            f"cannot write {names}: {error.strerror or error}; is it writable, and is there space left?"
        ) from error


@contextmanager
def make_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a directory and its parents for a ``with`` block to fill; if it fails, the new directories are removed.

    Raises
    ------
    UserError
        If it cannot be created.
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
        for directory in missing:  # innermost first; a directory with other files stays
            with suppress(OSError):
                directory.rmdir()
        raise


def remove_tree(directory: Path) -> None:
    """Remove a directory and everything in it, as far as that is possible."""
    from shutil import rmtree  # imported only to remove: the import takes 3 ms of every command's start

    rmtree(directory, ignore_errors=True)


def sync_directory(directory: Path) -> None:
    """Make earlier renames in the directory survive a power cut; the contents of the files are already on disk."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open directories
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


def check_replaceable(directory: Path, kind: str, is_ours: Callable[[str], bool]) -> None:
    """Refuse a directory with a file whose name ``is_ours`` rejects; ``kind`` describes accepted directories.

    Raises
    ------
    UserError
        If it contains such a file, is not a directory, or cannot be read.
    """
    try:
        names = sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        do = "make" if isinstance(error, NotADirectoryError) else "read"
        raise UserError(
            f"cannot {do} the directory {show_path(directory)}: {error.strerror or error}; choose another place"
        ) from error
    foreign = next((name for name in names if not is_ours(name)), None)
    if foreign is not None:
        raise UserError(
            f"the directory {show_path(directory)} must be new, empty or {kind}, and contains {quote(foreign)}; "
            "choose another"
        )


def _temporary_path(target: Path) -> Path:
    # In the same directory, so that the rename stays on one file system and is atomic. The name is unique.
    return target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
