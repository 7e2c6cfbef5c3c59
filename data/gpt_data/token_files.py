"""Token files: train.bin and val.bin, one number a token, and meta.json, which vouches for both.

Numbers are little-endian uint16, or uint32 where the vocabulary has more than 65,536 tokens. Files are read
memory-mapped: only the pages that are used take memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gpt_data.atomic import atomic_files
from gpt_data.checks import TokenIds, ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.regular_file import open_regular
from gpt_data.sealed_json import seal
from gpt_data.token_meta import FORMAT_VERSION, OWN_KEYS, SPLITS, read_meta, token_dtype
from gpt_data.wording import shown_path

_SLICE = 1 << 20  # tokens converted at a time, so that memory does not grow with the text


@dataclass(frozen=True, eq=False)
class TokenFiles:
    """What a directory of token files holds: both splits, memory-mapped, and all of meta.json."""

    train: TokenIds
    val: TokenIds
    meta: dict[str, Any]


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
    if taken := sorted(set(meta) & set(OWN_KEYS)):
        raise UserError(f"meta.json keeps {taken[0]!r} for itself; call yours something else")
    arrays = {}
    for split, ids in zip(SPLITS, (train, val), strict=True):
        arrays[split] = ids_in_vocabulary(ids, vocab_size, f"{split} tokens")
        if not arrays[split].size:
            raise UserError(f"the {split} split must hold at least one token, and is empty; use a longer text")
    place = Path(directory)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the directory {shown_path(place)}: {error.strerror or error}; choose another"
        ) from error
    dtype = token_dtype(vocab_size)
    record: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "dtype": dtype.name,
        "vocab_size": vocab_size,
        **meta,
    }
    with atomic_files(*(place / f"{split}.bin" for split in SPLITS), place / "meta.json") as (
        *binaries,
        meta_file,
    ):
        for (split, ids), file in zip(arrays.items(), binaries, strict=True):
            record[split] = {"tokens": ids.size, "sha256": _write(file, ids, dtype)}
        meta_file.write(seal(record))


def _write(file: BinaryIO, ids: TokenIds, dtype: np.dtype[Any]) -> str:
    digest = hashlib.sha256()
    for start in range(0, ids.size, _SLICE):
        content = ids[start : start + _SLICE].astype(dtype).tobytes()
        digest.update(content)
        file.write(content)
    return digest.hexdigest()


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
    dtype, place = token_dtype(vocab_size), shown_path(path)
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
            if sha256 is not None and _digest(file) != sha256:
                raise UserError(
                    f"{place} is not the file that meta.json vouches for (its SHA-256 differs); make it again"
                )
            mapped = np.memmap(file, dtype=dtype, mode="r")
        except OSError as error:
            raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    return ids_in_vocabulary(mapped, vocab_size, place)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while content := file.read(_SLICE):  # not from the mapping, whose pages would all count as memory used
        digest.update(content)
    return digest.hexdigest()
