"""meta.json: what the bytes of train.bin and val.bin mean, and checksums that show damage to any of them.

It is one JSON object: format_version, dtype, vocab_size; what the corpus adds (name, tokenizer, phrases); for
each split its tokens and sha256; and last a ``sha256`` of its own, that of the file without this entry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.files.sealed_json import read_sealed
from gpt_data.wording import show_path

FORMAT_VERSION = 1
SPLITS = ("train", "val")
TOKEN_FILES = (*(f"{split}.bin" for split in SPLITS), "meta.json")  # last the one that vouches for the others
OWN_KEYS = ("format_version", "dtype", "vocab_size", *SPLITS, "sha256")


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the little-endian type of a token: two bytes while every id fits, four beyond."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def read_meta(path: Path) -> dict[str, Any]:
    """Return the record that ``sealed_json.seal`` wrote for token files.

    Raises
    ------
    UserError
        If the file is damaged, as ``sealed_json.read_sealed`` says, or does not describe token files.
    """
    meta = read_sealed(path, FORMAT_VERSION, "make it again")
    _check_fields(meta, show_path(path))
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
