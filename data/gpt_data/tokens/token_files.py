"""Token files: train.bin and val.bin, one number per token, and meta.json, which describes and verifies both.

Numbers are little-endian uint16, or uint32 if the vocabulary has more than 65,536 tokens. The files are memory-mapped:
only the pages in use take memory.

meta.json is one JSON object: format_version, dtype, vocab_size; the corpus's name, tokenizer and phrases; for each
split its tokens and sha256; and last its own ``sha256``, computed without this entry.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypedDict

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, first_outside, ids_in_vocabulary, outside_message, to_path, token_sequence
from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files, check_replaceable, make_directory
from gpt_data.files.json_values import AtLeast
from gpt_data.files.regular_file import open_regular, read_bytes
from gpt_data.files.sealed_json import check_record, read_sealed, seal
from gpt_data.files.temporary import temporary_target
from gpt_data.wording import quote, show_path

FORMAT_VERSION = 1
SPLITS = ("train", "val")
TOKEN_FILES = (*(f"{split}.bin" for split in SPLITS), "meta.json")  # the file that verifies the others is last
_REMEDY = "make it again"
_SLICE = 1 << 20  # tokens converted, or bytes read, at a time, so that memory does not grow with the text


class _Split(TypedDict):
    tokens: Annotated[int, AtLeast(1)]
    sha256: str


class _OwnEntries(TypedDict):
    """The entries of meta.json that the reader needs; the writer may add others."""

    format_version: int
    dtype: str
    vocab_size: Annotated[int, AtLeast(1)]
    train: _Split
    val: _Split
    sha256: str


OWN_KEYS = tuple(_OwnEntries.__annotations__)


@dataclass(frozen=True, eq=False)
class TokenFiles:
    """The content of a directory of token files: both splits, memory-mapped, and all of meta.json."""

    train: TokenIds
    val: TokenIds
    meta: dict[str, Any]


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the little-endian dtype of a token: two bytes if every id fits, otherwise four."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def check_directory(directory: Path) -> None:
    """Refuse a directory with files other than token files and the temporary files of an earlier crash.

    Raises
    ------
    UserError
        If it contains another file, is not a directory, or cannot be read.
    """

    def is_ours(name: str) -> bool:
        if name in TOKEN_FILES:  # other programs use these names too
            return (directory / "meta.json").exists()
        return temporary_target(name) in TOKEN_FILES

    check_replaceable(directory, "one of token files", is_ours)


def write_token_files(
    directory: str | os.PathLike[str],
    train: npt.ArrayLike,
    val: npt.ArrayLike,
    vocab_size: int,
    meta: Mapping[str, Any],
) -> None:
    """Write train.bin, val.bin and meta.json, all or none; ``meta`` is added to the entries that the reader needs.

    Raises
    ------
    UserError
        If a split is empty or contains an id outside the vocabulary, or the directory cannot be written.
    """
    splits = [
        ids_in_vocabulary(ids, vocab_size, f"{split} tokens") for split, ids in zip(SPLITS, (train, val), strict=True)
    ]
    for split, tokens in zip(SPLITS, splits, strict=True):
        _require_tokens(split, tokens.size)  # before anything is written
    chunks = (ids[start : start + _SLICE] for ids in splits for start in range(0, ids.size, _SLICE))
    write_token_chunks(directory, chunks, splits[0].size, vocab_size, meta)


def write_token_chunks(
    directory: str | os.PathLike[str],
    chunks: Iterable[TokenIds],
    train_tokens: int,
    vocab_size: int,
    meta: Mapping[str, Any],
) -> None:
    """Write token files for a text given as consecutive arrays of ids (n,); ``train_tokens`` come before validation.

    Raises
    ------
    UserError
        As ``write_token_parts``.
    """
    write_token_parts(directory, _split_chunks(chunks, train_tokens), vocab_size, meta)


def write_token_parts(
    directory: str | os.PathLike[str],
    parts: Iterable[tuple[int, TokenIds]],
    vocab_size: int,
    meta: Mapping[str, Any],
) -> None:
    """Write token files for a text given as arrays of ids (n,), each with its split: 0 for training, 1 for validation.

    Raises
    ------
    UserError
        If a split is empty or contains an id outside the vocabulary, or the directory contains other files or cannot
        be written. Then, and if ``parts`` itself raises, the files are unchanged.
    """
    if taken := sorted(set(meta) & set(OWN_KEYS)):
        raise UserError(f"{quote(taken[0])} is a reserved entry of meta.json; choose another name")
    check_directory(to_path(directory))
    dtype = token_dtype(vocab_size)
    record: dict[str, Any] = {"format_version": FORMAT_VERSION, "dtype": dtype.name, "vocab_size": vocab_size, **meta}
    with make_directory(directory) as place:
        paths = [place / name for name in TOKEN_FILES]
        with atomic_files(*paths) as (*binaries, meta_file):
            digests, counts = [hashlib.sha256() for _ in SPLITS], [0 for _ in SPLITS]
            for part, ids in parts:
                content = ids_in_vocabulary(ids, vocab_size, f"{SPLITS[part]} tokens").astype(dtype).tobytes()
                digests[part].update(content)
                counts[part] += ids.size
                binaries[part].write(content)
            for split, count, digest in zip(SPLITS, counts, digests, strict=True):
                record[split] = {"tokens": _require_tokens(split, count), "sha256": digest.hexdigest()}
            meta_file.write(seal(record))


def _split_chunks(chunks: Iterable[TokenIds], train_tokens: int) -> Iterator[tuple[int, TokenIds]]:
    """Yield each chunk with the index of its split; a chunk that crosses the boundary is yielded in two parts."""
    start = 0
    for chunk in chunks:
        cut = min(max(train_tokens - start, 0), chunk.size)
        if cut:
            yield 0, chunk[:cut]
        if cut < chunk.size:
            yield 1, chunk[cut:]
        start += chunk.size


def _require_tokens(split: str, count: int) -> int:
    if not count:
        raise UserError(f"the {split} split must contain at least one token, and is empty; use a longer text")
    return count


def read_token_files(directory: str | os.PathLike[str]) -> TokenFiles:
    """Return both splits and meta.json, with every byte verified.

    Raises
    ------
    UserError
        If a file is missing, not a regular file, of another format version, or not as meta.json describes it.
    """
    place = to_path(directory)
    meta = _read_meta(place / "meta.json")
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
    """Return one file's tokens (n,), memory-mapped and read-only; a given count and SHA-256 are verified.

    Raises
    ------
    UserError
        If the file is missing, not a regular file, empty, truncated, changed, or contains an id outside the
        vocabulary.
    """
    dtype, place = token_dtype(vocab_size), show_path(path)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0 or size % dtype.itemsize:
            raise UserError(
                f"{place} must contain one or more tokens of {dtype.itemsize} bytes, not {size} bytes; make it again"
            )
        if tokens is not None and size != tokens * dtype.itemsize:
            raise UserError(
                f"{place} must contain {tokens} tokens in {tokens * dtype.itemsize} bytes, as meta.json says, "
                f"not {size} bytes; make it again"
            )
        try:
            _verify(file, path, dtype, vocab_size, sha256)
            mapped = np.memmap(file, dtype=dtype, mode="r", shape=(size // dtype.itemsize,))
        except OSError as error:
            raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    return token_sequence(mapped)


def _verify(
    file: BinaryIO, path: str | os.PathLike[str], dtype: np.dtype[Any], vocab_size: int, sha256: str | None
) -> None:
    """Read the file once to verify its checksum and the range of its ids.

    It is read rather than memory-mapped, because all pages of a mapping would count as memory in use.
    """
    digest, start, complaint, place = hashlib.sha256(), 0, None, show_path(path)
    while content := read_bytes(file, path, _SLICE):
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
        raise UserError(f"{place} is not the file that meta.json describes (its SHA-256 differs); make it again")
    if complaint is not None:
        raise UserError(complaint)


def _read_meta(path: Path) -> dict[str, Any]:
    meta = read_sealed(path, FORMAT_VERSION, _REMEDY)
    own = check_record({key: meta[key] for key in OWN_KEYS if key in meta}, _OwnEntries, path, _REMEDY)
    dtype = token_dtype(own["vocab_size"]).name
    if own["dtype"] != dtype:
        needed = f"{dtype} for {own['vocab_size']} tokens"
        raise UserError(f"{show_path(path)}: dtype must be {needed}, not {quote(own['dtype'])}; {_REMEDY}")
    return meta
