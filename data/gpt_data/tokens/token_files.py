"""Token files: train.bin and val.bin, one number a token, and meta.json, which vouches for both.

Numbers are little-endian uint16, or uint32 where the vocabulary has more than 65,536 tokens. Files are read
memory-mapped: only the pages that are used take memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, first_outside, ids_in_vocabulary, outside_message, token_sequence
from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files, made_directory
from gpt_data.files.regular_file import open_regular
from gpt_data.files.replaceable import check_replaceable
from gpt_data.files.sealed_json import seal
from gpt_data.tokens.token_meta import FORMAT_VERSION, OWN_KEYS, SPLITS, TOKEN_FILES, read_meta, token_dtype
from gpt_data.wording import show_path

_SLICE = 1 << 20  # tokens converted, or bytes read, at a time, so that memory does not grow with the text


@dataclass(frozen=True, eq=False)
class TokenFiles:
    """What a directory of token files holds: both splits, memory-mapped, and all of meta.json."""

    train: TokenIds
    val: TokenIds
    meta: dict[str, Any]


def check_place(place: Path) -> None:
    """Refuse a directory of anything but token files, beside what an earlier crash has left.

    Raises
    ------
    UserError
        If it holds another file, is no directory, or cannot be read.
    """

    def is_ours(name: str) -> bool:
        if name in TOKEN_FILES:  # others have files of these names, too
            return (place / "meta.json").exists()
        return name.startswith(".") and name.endswith(".tmp")

    check_replaceable(place, "one of token files", is_ours)


def write_token_files(
    directory: str | os.PathLike[str],
    train: npt.ArrayLike,
    val: npt.ArrayLike,
    vocab_size: int,
    meta: Mapping[str, Any],
) -> None:
    """Write train.bin, val.bin and meta.json, all or none; ``meta`` is kept beside what the reader needs.

    Raises
    ------
    UserError
        If a split is empty or holds an id outside the vocabulary, or the directory cannot be written.
    """
    splits = [
        ids_in_vocabulary(ids, vocab_size, f"{split} tokens") for split, ids in zip(SPLITS, (train, val), strict=True)
    ]
    for split, tokens in zip(SPLITS, splits, strict=True):
        _some_tokens(split, tokens.size)  # here too, so that nothing is begun that cannot end well
    chunks = (ids[start : start + _SLICE] for ids in splits for start in range(0, ids.size, _SLICE))
    write_token_chunks(directory, chunks, splits[0].size, vocab_size, meta)


def write_token_chunks(
    directory: str | os.PathLike[str],
    chunks: Iterable[TokenIds],
    train_tokens: int,
    vocab_size: int,
    meta: Mapping[str, Any],
) -> None:
    """Write token files of a text that comes as arrays of ids (n,), one after another; the first ids are for training.

    Raises
    ------
    UserError
        If a split is empty or holds an id outside the vocabulary, or the directory holds something else or cannot be
        written. Then, and if ``chunks`` itself raises, the files are as they were before.
    """
    if taken := sorted(set(meta) & set(OWN_KEYS)):
        raise UserError(f"meta.json keeps {taken[0]!r} for itself; call yours something else")
    check_place(Path(directory))
    dtype = token_dtype(vocab_size)
    record: dict[str, Any] = {"format_version": FORMAT_VERSION, "dtype": dtype.name, "vocab_size": vocab_size, **meta}
    with made_directory(directory) as place:
        paths = [place / name for name in TOKEN_FILES]
        with atomic_files(*paths) as (*binaries, meta_file):
            digests, counts = [hashlib.sha256() for _ in SPLITS], [0 for _ in SPLITS]
            for part, ids in _cut(chunks, train_tokens):
                content = ids_in_vocabulary(ids, vocab_size, f"{SPLITS[part]} tokens").astype(dtype).tobytes()
                digests[part].update(content)
                counts[part] += ids.size
                binaries[part].write(content)
            for split, count, digest in zip(SPLITS, counts, digests, strict=True):
                record[split] = {"tokens": _some_tokens(split, count), "sha256": digest.hexdigest()}
            meta_file.write(seal(record))


def _cut(chunks: Iterable[TokenIds], train_tokens: int) -> Iterator[tuple[int, TokenIds]]:
    """Yield each chunk with the number of its split; the one that lies across the cut comes in two."""
    start = 0
    for chunk in chunks:
        cut = min(max(train_tokens - start, 0), chunk.size)
        if cut:
            yield 0, chunk[:cut]
        if cut < chunk.size:
            yield 1, chunk[cut:]
        start += chunk.size


def _some_tokens(split: str, count: int) -> int:
    if not count:
        raise UserError(f"the {split} split must hold at least one token, and is empty; use a longer text")
    return count


def read_token_files(directory: str | os.PathLike[str]) -> TokenFiles:
    """Return both splits and meta.json, each byte verified.

    Raises
    ------
    UserError
        If a file is missing, is no regular file, has another format version, or breaks meta.json's promise.
    """
    place = Path(directory)
    meta = read_meta(place / "meta.json")
    train, val = (
        read_token_file(
            place / f"{split}.bin",
            meta["vocab_size"],
            tokens=meta[split]["tokens"],
            sha256=meta[split]["sha256"],
        )
        for split in SPLITS
    )
    return TokenFiles(train, val, meta)


def read_token_file(
    path: str | os.PathLike[str], vocab_size: int, *, tokens: int | None = None, sha256: str | None = None
) -> TokenIds:
    """Return one file's tokens (n,), memory-mapped and read-only; a count and a SHA-256 given are verified.

    Raises
    ------
    UserError
        If the file is missing, no regular file, empty, cut off, changed, or holds an id outside the
        vocabulary.
    """
    dtype, place = token_dtype(vocab_size), show_path(path)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0 or size % dtype.itemsize:
            raise UserError(
                f"{place} must hold one or more tokens of {dtype.itemsize} bytes, and has {size} bytes; make it again"
            )
        if tokens is not None and size != tokens * dtype.itemsize:
            raise UserError(
                f"{place} must hold {tokens} tokens in {tokens * dtype.itemsize} bytes, as meta.json says, "
                f"and has {size} bytes; make it again"
            )
        try:
            _verify(file, dtype, vocab_size, sha256, place)
            mapped = np.memmap(file, dtype=dtype, mode="r", shape=(size // dtype.itemsize,))
        except OSError as error:
            raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    return token_sequence(mapped)


def _verify(file: BinaryIO, dtype: np.dtype[Any], vocab_size: int, sha256: str | None, place: str) -> None:
    """Read the file once, for its checksum and for the range of its ids.

    It is read and not taken from the mapping, whose pages would all count as memory in use.
    """
    digest, start, complaint = hashlib.sha256(), 0, None
    while content := file.read(_SLICE):
        if sha256 is not None:
            digest.update(content)
        ids = np.frombuffer(content, dtype=dtype)
        if complaint is None and (outside := first_outside(ids, vocab_size)) is not None:
            swapped = first_outside(ids.byteswap(), vocab_size) is None
            complaint = outside_message(place, vocab_size, int(ids[outside]), start + outside) + (
                "; its bytes seem to be in big-endian order: write them as little-endian"
                if swapped
                else "; was it made with another vocabulary?"
            )
        start += ids.size
    if sha256 is not None and digest.hexdigest() != sha256:
        raise UserError(f"{place} is not the file that meta.json vouches for (its SHA-256 differs); make it again")
    if complaint is not None:
        raise UserError(complaint)
