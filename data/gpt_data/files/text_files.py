"""Reading text files of any size, piece by piece, exactly as they are."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from gpt_data.errors import UserError
from gpt_data.files.regular_file import open_regular
from gpt_data.wording import show_path

_SLICE = 1 << 18  # bytes read at a time: what they become still fits into the processor's cache
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_texts(files: Iterable[Path]) -> Iterator[str]:
    """Yield the texts of the files, one after another, in pieces.

    Files are UTF-8. Nothing is changed: line ends, NUL and accents stay as they are, and nothing is put between
    two files. Only a byte-order mark, which is no part of the text, is dropped at the start of a file.

    Raises
    ------
    UserError
        If a file cannot be read, is no regular file or is not UTF-8; the message says at which byte.
    """
    for path in files:
        with open_regular(path) as file:
            yield from _decoded(file, show_path(path))


def _decoded(file: BinaryIO, place: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, content = 0, _read(file, place)
    if content.startswith(_UTF_16):
        raise UserError(f"{place} must be UTF-8 and looks like UTF-16 (it begins with its mark); save it as UTF-8")
    if content.startswith(codecs.BOM_UTF8):
        before, content = len(codecs.BOM_UTF8), content[len(codecs.BOM_UTF8) :]
    while True:
        pending = len(decoder.getstate()[0])  # the beginning of a character whose end has yet to come
        try:
            text = decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            offset = before - pending + error.start
            raise UserError(
                f"{place} must be UTF-8; byte 0x{error.object[error.start]:02x} at offset {offset} is not "
                f"({error.reason}); save it as UTF-8"
            ) from error
        if text:
            yield text
        if not content:
            return
        before, content = before + len(content), _read(file, place)


def _read(file: BinaryIO, place: str) -> bytes:
    try:
        return file.read(_SLICE)
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror or error}") from error
