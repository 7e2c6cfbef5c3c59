"""meta.json: what the bytes of train.bin and val.bin mean, and checksums that show damage to any of them.

It is one JSON object: format_version, dtype, vocab_size; what the corpus adds (name, tokenizer, phrases); for
each split its tokens and sha256; and last a ``sha256`` of its own, that of the file without this entry.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.regular_file import read_regular
from gpt_data.wording import shown_path

FORMAT_VERSION = 1
SPLITS = ("train", "val")
OWN_KEYS = ("format_version", "dtype", "vocab_size", *SPLITS, "sha256")
_END = b"\n}\n"
_BEFORE, _AFTER = b',\n "sha256": "', b'"' + _END  # what stands around the file's own checksum


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the little-endian type of a token: two bytes while every id fits, four beyond."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def encode_meta(record: dict[str, Any]) -> bytes:
    """Return the content of meta.json for the record, its own checksum added as the last entry."""
    plain = json.dumps(record, indent=1).encode() + b"\n"
    return plain.removesuffix(_END) + _BEFORE + _sha256(plain) + _AFTER


def _is_intact(content: bytes) -> bool:
    # Byte for byte, not value for value: no damage is too small to show.
    body, _, checksum = content.rpartition(_BEFORE)
    return checksum == _sha256(body + _END) + _AFTER


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def read_meta(path: Path) -> dict[str, Any]:
    """Return the record that ``encode_meta`` wrote.

    Raises
    ------
    UserError
        If the file is missing, is no regular file, is not JSON, has another format version or was changed.
    """
    place, content = shown_path(path), read_regular(path)
    try:
        meta = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or brackets thousands deep
        reason = str(error).splitlines()[0]
        raise UserError(f"{place} must be JSON in UTF-8: {reason}; make it again") from error
    if not isinstance(meta, dict):
        raise UserError(f"{place} must be a JSON object, not {type(meta).__name__}; make it again")
    if whole_number(f"{place}: format_version", meta.get("format_version"), 1) != FORMAT_VERSION:
        raise UserError(
            f"{place} must have format_version {FORMAT_VERSION}, not {meta['format_version']}; "
            "make it again, or use the release that wrote it"
        )
    if not _is_intact(content):
        raise UserError(f"{place} was changed after it was written (its SHA-256 differs); make it again")
    _check_fields(meta, place)
    return meta


def _check_fields(meta: dict[str, Any], place: str) -> None:
    vocab_size = whole_number(f"{place}: vocab_size", meta.get("vocab_size"), 1)
    dtype = token_dtype(vocab_size).name
    if meta.get("dtype") != dtype:
        raise UserError(f"{place}: dtype must be {dtype} for {vocab_size} tokens, not {meta.get('dtype')!r:.60}")
    for split in SPLITS:
        entry = meta.get(split)
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            raise UserError(f"{place}: {split} must hold tokens and sha256, not {entry!r:.60}; make it again")
        whole_number(f"{place}: tokens of {split}", entry.get("tokens"), 1)
