"""Directories written by nanoGPT's prepare.py scripts: train.bin and val.bin, uint16 each, and perhaps meta.pkl.

meta.pkl is a pickled dict of ``vocab_size``, ``itos`` (the token of each id, as dict or list) and ``stoi`` (the id of
each token); other entries are left alone. It is read without running code. Without it, or if its ``itos`` is empty, the
ids are GPT-2's or another program's: their tokens are those of a tokenizer.json, or of a vocab.json with merges.txt, in
the directory, or not known. There are no checksums, so only contradictions are detected.
"""

from __future__ import annotations

import os
from pathlib import Path

from gpt_data.checks import TokenIds, to_path
from gpt_data.errors import UserError
from gpt_data.files.plain_pickle import NotPlainError, load_plain
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.bpe_files import read_bpe_directory
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.special_tokenizer import is_special
from gpt_data.tokens.token_files import SPLITS, read_token_file
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import make_tokenizer
from gpt_data.wording import describe, show_path

_LARGEST_VOCABULARY = 1 << 16  # the number of ids that uint16 can represent
_LARGEST_FILE = 1 << 23  # bytes; the largest vocabulary needs less than half of it
_LARGEST_NUMBER = 1 << 53  # of the other entries, which may count the text's characters
_KEYS = {"vocab_size", "itos", "stoi"}


def read_nanogpt_directory(
    directory: str | os.PathLike[str], bare: Tokenizer | None = None
) -> tuple[Tokenizer, TokenIds, TokenIds]:
    """Return the tokenizer, and the tokens (n,) of train.bin and val.bin, memory-mapped and read-only.

    The tokenizer is one of characters if every token is a single character or special (<UNK>), otherwise one of words;
    ``bare`` is that of ids whose tokens the directory does not tell.

    Raises
    ------
    UserError
        If a file is missing, not a regular file or in another format, or the tokens are not known; a pickle with
        anything other than such a dict is refused before it can do harm.
    """
    place = to_path(directory)
    tokenizer = _known_tokenizer(place, _list_names(place)) or bare
    if tokenizer is None:
        raise UserError(
            f"{show_path(place)} contains neither meta.json nor meta.pkl, so its tokens are unknown: say how "
            "many different ids there are with --vocab_size N (GPT-2 has 50257), or put GPT-2's vocab.json and "
            "merges.txt there"
        )
    train, val = (read_token_file(place / f"{split}.bin", tokenizer.vocab_size) for split in SPLITS)
    return tokenizer, train, val


def read_nanogpt_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a meta.pkl; one of bare ids if the file has only the number of tokens.

    Raises
    ------
    UserError
        If it cannot be read, or its pickle has anything other than such a dict.
    """
    size, vocabulary = _read_meta(read_regular(path, _LARGEST_FILE), show_path(path))
    return _make_tokenizer(vocabulary, show_path(path)) if vocabulary else IdTokenizer(size)


def is_nanogpt_directory(directory: Path) -> bool:
    """Return whether the directory has meta.pkl, or token files without any meta."""
    names = _list_names(directory)
    return "meta.json" not in names and ("meta.pkl" in names or {f"{split}.bin" for split in SPLITS} <= names)


def _list_names(place: Path) -> set[str]:
    try:
        return {entry.name for entry in place.iterdir()}
    except OSError as error:
        raise UserError(
            f"cannot read the directory {show_path(place)}: {error.strerror or error}; check the path"
        ) from error


def _known_tokenizer(place: Path, names: set[str]) -> Tokenizer | None:
    """Return the tokenizer that the directory describes, or None if it has only ids."""
    if "meta.json" in names:
        raise UserError(f"{show_path(place)} has meta.json: open it with gpt_data.texts.corpora.open_corpus")
    size = None
    if "meta.pkl" in names:
        path = place / "meta.pkl"
        size, vocabulary = _read_meta(read_regular(path, _LARGEST_FILE), show_path(path))
        if vocabulary:
            return _make_tokenizer(vocabulary, show_path(path))
    return read_bpe_directory(place) or (None if size is None else IdTokenizer(size))


def _read_meta(content: bytes, place: str) -> tuple[int, list[str]]:
    """Return the number of tokens, and the tokens, or none if the file has only their number."""
    try:
        meta = load_plain(content, _LARGEST_NUMBER)
    except NotPlainError as error:
        raise UserError(
            f"{place} must be a pickle of plain dicts, lists, strings and numbers, and is not: {error}; "
            "use the file that nanoGPT's prepare.py wrote"
        ) from error
    if not isinstance(meta, dict) or not _KEYS <= set(meta):
        raise UserError(f"{place} must contain a dict of vocab_size, itos and stoi; make it again")
    size, itos, stoi = meta["vocab_size"], meta["itos"], meta["stoi"]
    if isinstance(itos, list):
        itos = dict(enumerate(itos))
    if not isinstance(size, int) or isinstance(size, bool):
        raise UserError(f"{place}: vocab_size must be a number, not {describe(size)}; make it again")
    if not isinstance(itos, dict) or not isinstance(stoi, dict | list):
        raise UserError(f"{place}: itos must be a dict or a list, and stoi a dict; make it again")
    if not itos and not stoi and 1 <= size <= _LARGEST_VOCABULARY:
        return size, []
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
    return size, vocabulary


def _make_tokenizer(vocabulary: list[str], place: str) -> Tokenizer:
    kind = "characters" if all(len(token) == 1 or is_special(token) for token in vocabulary) else "words"
    try:
        return make_tokenizer(kind, vocabulary)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
