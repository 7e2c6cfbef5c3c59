"""Files that are never half written: a temporary file in the same directory is synced, then renamed over the old one.

A directory is replaced only if everything in it was written by this program.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.temporary import remove_leftovers, temporary_file
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
    block should only write: an OSError in it is reported as a failure to write. A file that is replaced keeps its mode
    and, where possible, its owner; a new one has the mode that the umask leaves.

    Raises
    ------
    UserError
        If a file cannot be written, or if its name belongs to a directory, a pipe or a device.
    """
    # If a path is a symbolic link, the link is kept and its target is replaced.
    targets = [Path(os.path.realpath(to_path(path))) for path in paths]
    names = " and ".join(map(show_path, paths))
    try:
        with ExitStack() as stack:
            for target, path in zip(targets, paths, strict=True):
                if target.is_symlink() or (target.exists() and not target.is_file()):  # a link to itself is the first
                    raise UserError(f"cannot write {show_path(path)}: it is not a regular file; choose another place")
                remove_leftovers(target.parent, target.name.__eq__)
            temporary = [stack.enter_context(temporary_file(target)) for target in targets]
            for (path, _), target in zip(temporary, targets, strict=True):
                keep_owner_and_mode(target, path)
            yield tuple(file for _, file in temporary)
            for _, file in temporary:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for (path, _), target in zip(temporary, targets, strict=True):
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
    place = to_path(path)
    with ExitStack() as stack:
        try:
            stack.enter_context(new_directories(place))
        except OSError as error:
            raise UserError(
                f"cannot make the directory {show_path(place)}: {error.strerror or error}; choose another"
            ) from error
        yield place


@contextmanager
def new_directories(place: Path) -> Iterator[None]:
    """Create a directory as ``make_directory`` does, for a caller that reports the failures of its block as well.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    missing = list[Path]()
    try:
        missing += [directory for directory in (place, *place.parents) if not directory.exists()]
        place.mkdir(parents=True, exist_ok=True)
        for directory in missing:
            sync_directory(directory.parent)
        yield
    except BaseException:
        for directory in missing:  # innermost first; a directory with other files stays
            with suppress(OSError):
                directory.rmdir()
        raise


def keep_owner_and_mode(old: Path, new: Path) -> None:
    """Give a new file or directory the mode of the old one that it will replace and, where possible, its owner."""
    if not old.exists():
        return
    status = old.stat()
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give files away; a group that one is in may be set
            os.chown(new, -1, status.st_gid)
            os.chown(new, status.st_uid, -1)
    if new.stat().st_mode != status.st_mode:
        new.chmod(stat.S_IMODE(status.st_mode))


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
