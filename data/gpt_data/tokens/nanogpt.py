"""Directories written by nanoGPT's prepare.py: train.bin and val.bin, uint16 each, and meta.pkl.

meta.pkl is a pickled dict of ``vocab_size``, ``itos`` (the token of each id) and ``stoi`` (the id of each token). It is
read without running code. There are no checksums, so only contradictions are detected.
"""

from __future__ import annotations

import os
from pathlib import Path

from gpt_data.checks import TokenIds, to_path
from gpt_data.errors import UserError
from gpt_data.files.plain_pickle import NotPlainError, load_plain
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.token_files import SPLITS, read_token_file
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import KINDS
from gpt_data.wording import show_path

_LARGEST_VOCABULARY = 1 << 16  # the number of ids that uint16 can represent
_LARGEST_FILE = 1 << 23  # bytes; the largest vocabulary needs less than half of it
_KEYS = {"vocab_size", "itos", "stoi"}


def read_nanogpt_directory(directory: str | os.PathLike[str]) -> tuple[Tokenizer, TokenIds, TokenIds]:
    """Return the tokenizer, and the tokens (n,) of train.bin and val.bin, memory-mapped and read-only.

    The tokenizer is one of characters if every token is a single character, otherwise one of words.

    Raises
    ------
    UserError
        If a file is missing, not a regular file or in another format; a pickle with anything other than that dict
        is refused before it can do harm.
    """
    place = to_path(directory)
    path = place / "meta.pkl"
    try:
        names = {entry.name for entry in place.iterdir()}
    except OSError as error:
        raise UserError(
            f"cannot read the directory {show_path(place)}: {error.strerror or error}; check the path"
        ) from error
    if path.name not in names:
        raise UserError(_missing_meta_message(place, names))
    tokenizer = read_nanogpt_tokenizer(path)
    train, val = (read_token_file(place / f"{split}.bin", tokenizer.vocab_size) for split in SPLITS)
    return tokenizer, train, val


def read_nanogpt_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a meta.pkl: one of characters if every token is a single character, otherwise of words.

    Raises
    ------
    UserError
        If it cannot be read, or its pickle has anything other than that dict.
    """
    place = show_path(path)
    return _make_tokenizer(_read_vocabulary(read_regular(path, _LARGEST_FILE), place), place)


def _missing_meta_message(place: Path, names: set[str]) -> str:
    if "meta.json" in names:
        return f"{show_path(place)} contains meta.json and no meta.pkl: open it with gpt_data.texts.corpora.open_corpus"
    return (
        f"{show_path(place)} contains neither meta.json nor meta.pkl, so the tokens of its ids are unknown; "
        "make it again from the text: numpy_gpt prepare text FILE --out_dir DIR"
    )


def _read_vocabulary(content: bytes, place: str) -> list[str]:
    try:
        meta = load_plain(content, _LARGEST_VOCABULARY)
    except NotPlainError as error:
        raise UserError(
            f"{place} must be a pickle of plain dicts, strings and ids, and is not: {error}; "
            "use the file that nanoGPT's prepare.py wrote"
        ) from error
    if not isinstance(meta, dict) or set(meta) != _KEYS:
        raise UserError(f"{place} must contain a dict of vocab_size, itos and stoi and nothing else; make it again")
    size, itos, stoi = meta["vocab_size"], meta["itos"], meta["stoi"]
    if not isinstance(size, int) or not isinstance(itos, dict) or not isinstance(stoi, dict):
        raise UserError(f"{place}: vocab_size must be a number, itos and stoi must be dicts; make it again")
    if not 1 <= size <= _LARGEST_VOCABULARY or set(itos) != set(range(size)):
        raise UserError(
            f"{place}: itos must have a token for each id in 0 … vocab_size − 1, but vocab_size is {size} "
            f"and itos has {len(itos)} entries; make it again"
        )
    vocabulary = [itos[index] for index in range(size)]
    if not all(isinstance(token, str) for token in vocabulary):
        raise UserError(f"{place}: itos must contain strings; make it again")
    if stoi != {token: index for index, token in enumerate(vocabulary)}:
        raise UserError(f"{place}: stoi must be the inverse of itos, one id per token, and is not; make it again")
    return vocabulary


def _make_tokenizer(vocabulary: list[str], place: str) -> Tokenizer:
    kind = "characters" if all(len(token) == 1 for token in vocabulary) else "words"
    try:
        return KINDS[kind].tokenizer(tuple(vocabulary))
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
