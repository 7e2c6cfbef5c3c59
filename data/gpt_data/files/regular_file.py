"""Opening a file for reading without ever waiting on a pipe or reading from a device."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from gpt_data.errors import UserError
from gpt_data.wording import show_path

# Opening a pipe waits until somebody writes to it; without blocking it opens at once and can be refused.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Return the file, open for reading.

    Raises
    ------
    UserError
        If it is missing, unreadable, or not a regular file: a directory, a pipe, a device.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise UserError(f"cannot read {show_path(path)}: {error.strerror or error}; check the path") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"cannot read {show_path(path)}: it is not a regular file; check the path")
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """Return the file's whole content, of at most ``limit`` bytes where that is given.

    Raises
    ------
    UserError
        If it is missing, unreadable, not a regular file or too large.
    """
    with open_regular(path) as file:
        try:
            content = file.read() if limit is None else file.read(limit + 1)
        except OSError as error:
            raise UserError(f"cannot read {show_path(path)}: {error.strerror or error}") from error
    if limit is not None and len(content) > limit:
        raise UserError(f"{show_path(path)} must have at most {limit} bytes, and has more; is it the right file?")
    return content
