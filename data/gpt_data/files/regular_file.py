"""Read regular files, whole or as text in pieces; a pipe or a device is refused without blocking."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.wording import show_path

# Opening a pipe blocks until somebody writes to it; with O_NONBLOCK it opens immediately and can be refused.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SLICE = 1 << 18  # bytes of text read at a time: even decoded, they fit the CPU's cache
_LARGEST = 1 << 28  # bytes of a file that is read whole, if the caller knows no better limit
_MARKS = {  # UTF-32's first: UTF-16's is the beginning of one of them
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_RARE = 0.1  # at most this share of a UTF-8 text is NUL; of a UTF-16 text in a Latin script, half


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Return the file, open for reading.

    Raises
    ------
    UserError
        If it is missing, unreadable, or not a regular file: a directory, a pipe, a device.
    """
    try:
        descriptor = os.open(to_path(path), _FLAGS)
    except OSError as error:
        raise UserError(f"cannot read {show_path(path)}: {error.strerror or error}; check the path") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"cannot read {show_path(path)}: it is not a regular file; check the path")
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | os.PathLike[str], limit: int = _LARGEST) -> bytes:
    """Return the whole content of the file, which may have at most ``limit`` bytes.

    Raises
    ------
    UserError
        If it is missing, unreadable, not a regular file, or too large, which is noticed before it is read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = read_bytes(file, path, size + 1) if size <= limit else b""
        while size <= limit and len(content) > size:  # it grows, or is one of /proc, whose files claim to be empty
            size = len(content)
            content += read_bytes(file, path, _SLICE)
    if size > limit:
        raise UserError(f"{show_path(path)} must have at most {limit:,} bytes, and has {size:,}; is it the right file?")
    return content


def read_stdin() -> bytes:
    """Return everything that standard input has, which may be as much as a file that is read whole.

    Raises
    ------
    UserError
        If it has more, or cannot be read.
    """
    content = read_bytes(sys.stdin.buffer, "standard input", _LARGEST + 1)
    if len(content) > _LARGEST:
        raise UserError(f"standard input must have at most {_LARGEST:,} bytes, and has more; is it the right file?")
    return content


def read_bytes(file: BinaryIO, path: str | os.PathLike[str], size: int = -1) -> bytes:
    """Return the next ``size`` bytes of an open file, or all the rest; ``path`` is its name in error messages.

    Raises
    ------
    UserError
        If they cannot be read.
    """
    try:
        return file.read(size)
    except OSError as error:
        raise UserError(f"cannot read {show_path(path)}: {error.strerror or error}") from error


def read_texts(files: Iterable[Path]) -> Iterator[str]:
    """Yield the texts of the files, one after another, in pieces.

    The files are UTF-8; UTF-16 and UTF-32 are recognised and refused. Nothing is changed: line ends, NUL and accents
    are kept, and nothing is inserted between two files. Only a byte-order mark at the start of a file is dropped,
    because it is not part of the text.

    Raises
    ------
    UserError
        If a file cannot be read, is not a regular file or is not UTF-8; the message gives the offset of the byte.
    """
    for path in files:
        with open_regular(path) as file:
            yield from _decode(file, path)


def _decode(file: BinaryIO, path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, content = 0, read_bytes(file, path, _SLICE)
    if other := _other_encoding(content):
        raise UserError(f"{show_path(path)} must be UTF-8 and looks like {other}; save it as UTF-8")
    if content.startswith(codecs.BOM_UTF8):
        before, content = len(codecs.BOM_UTF8), content[len(codecs.BOM_UTF8) :]
    while True:
        pending = len(decoder.getstate()[0])  # bytes of a character that the next slice completes
        try:
            text = decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            offset = before - pending + error.start
            raise UserError(
                f"{show_path(path)} must be UTF-8; byte 0x{error.object[error.start]:02x} at offset {offset} is not "
                f"({error.reason}); save it as UTF-8"
            ) from error
        if text:
            yield text
        if not content:
            return
        before, content = before + len(content), read_bytes(file, path, _SLICE)


def _other_encoding(content: bytes) -> str:
    """Return what the beginning of a file looks like if it is UTF-16 or UTF-32, by its mark or its NULs, or nothing.

    A character takes 2 or 4 bytes there. A UTF-32 character has a NUL at one end, and next to it at most 16. In UTF-16,
    Latin letters, spaces and line breaks have a NUL always on the same side.
    """
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return f"{name} (it begins with its byte-order mark)"
    whole = content[: len(content) & ~3]
    for ends, next_to_ends in ((whole[3::4], whole[2::4]), (whole[::4], whole[1::4])):
        if any(whole) and not any(ends) and max(next_to_ends) <= 16:
            return "UTF-32 without a byte-order mark (every fourth byte is 0)"
    even, odd = content[::2].count(0), content[1::2].count(0)
    most = max(even, odd)
    if most > max(1, _RARE * len(content)) and min(even, odd) <= _RARE * most:
        place = "even" if most == even else "odd"
        return f"UTF-16 without a byte-order mark (many bytes at {place} offsets are 0)"
    return ""
