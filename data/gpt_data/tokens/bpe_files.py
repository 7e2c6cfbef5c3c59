"""The files of a byte-pair vocabulary, as Hugging Face and OpenAI write them: tokenizer.json, vocab.json, merges.txt.

They are read without the library ``tokenizers``. What would make GPT-2's encoding another one, such as a normalizer, is
refused by the name of its field.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.json_values import parse_json
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, BpeTokenizer
from gpt_data.wording import count_of, describe, quote, show_path

_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))  # Hugging Face's names, and OpenAI's
_WHOLE = "tokenizer.json"
_LARGEST = 1 << 26  # bytes: 64 MiB, ten times the largest vocabulary in use
_MODEL = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
_ADDED = ("single_word", "lstrip", "rstrip")
_REMEDY = "only GPT-2's byte-pair encoding is supported"


def read_bpe_directory(directory: str | os.PathLike[str]) -> BpeTokenizer | None:
    """Return the tokenizer whose files lie in the directory, or None if there are none.

    tokenizer.json is read if there is one, otherwise vocab.json and merges.txt (or OpenAI's encoder.json and
    vocab.bpe), in which an entry that is neither a byte nor made by a merge is a special token: <|endoftext|>, [PAD].

    Raises
    ------
    UserError
        If a file is damaged, too large, not a regular file, contradicts another, or describes another encoding.
    """
    place = to_path(directory)
    if os.path.lexists(place / _WHOLE):
        return _read_tokenizer_json(place / _WHOLE)
    for vocabulary, merges in _PAIRS:
        there = [os.path.lexists(place / name) for name in (vocabulary, merges)]
        if all(there):
            return _read_pair(place / vocabulary, place / merges)
        if any(there):
            names = (vocabulary, merges) if there[0] else (merges, vocabulary)
            raise UserError(f"{show_path(place)} has {names[0]} and must also have {names[1]}; put it there")
    return None


def bpe_file_contents(tokenizer: BpeTokenizer) -> dict[str, bytes]:
    """Return the files of the tokenizer by name: tokenizer.json, and vocab.json with merges.txt for older programs."""
    ids = {symbol: index for index, symbol in enumerate(tokenizer.symbols)}
    flags = dict.fromkeys((*_ADDED, "normalized"), False)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    record = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": ids[token], "content": token, **flags, "special": True} for token in tokenizer.special],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": ids,
            "merges": list(tokenizer.merges),
        },
    }
    return {
        _WHOLE: _json_bytes(record),
        "vocab.json": _json_bytes(ids),
        "merges.txt": "\n".join(["#version: 0.2", *tokenizer.merges, ""]).encode(),
    }


def _json_bytes(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def _read_tokenizer_json(path: Path) -> BpeTokenizer:
    record = _read_object(path)
    model = record.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        kind = describe(model.get("type")) if isinstance(model, dict) else describe(model)
        raise UserError(f"{show_path(path)}: model.type must be 'BPE', not {kind}; {_REMEDY}")
    if bad := next((name for name in _MODEL if model.get(name)), None):
        raise UserError(f"{show_path(path)}: model.{bad} must be unset, not {describe(model[bad])}; {_REMEDY}")
    _check_steps(record, path)
    added = _read_added(record.get("added_tokens") or [], path)
    vocabulary = _read_vocabulary(model.get("vocab"), path, "model.vocab")
    for token, index in added.items():
        if vocabulary.setdefault(token, index) != index:
            raise UserError(f"{show_path(path)}: {quote(token)} has two ids, {vocabulary[token]} and {index}")
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise UserError(f"{show_path(path)}: model.merges must be a list, not {describe(merges)}")
    joined = [" ".join(merge) if _is_pair(merge) else merge for merge in merges]
    return _make(_by_id(vocabulary, path), tuple(joined), tuple(added), show_path(path))


def _is_pair(merge: object) -> bool:
    return isinstance(merge, list) and len(merge) == 2 and all(isinstance(part, str) for part in merge)


def _check_steps(record: Mapping[str, Any], path: Path) -> None:
    """Refuse what changes the text before or after the merges."""
    if record.get("normalizer") is not None:
        raise UserError(f"{show_path(path)}: normalizer must be null, not {describe(record['normalizer'])}; {_REMEDY}")
    cutting = record.get("pre_tokenizer")
    if not isinstance(cutting, dict) or cutting.get("type") != "ByteLevel":
        kind = describe(cutting.get("type")) if isinstance(cutting, dict) else describe(cutting)
        raise UserError(f"{show_path(path)}: pre_tokenizer.type must be 'ByteLevel', not {kind}; {_REMEDY}")
    for name, needed in (("add_prefix_space", False), ("use_regex", True)):
        if cutting.get(name, True) is not needed:
            raise UserError(
                f"{show_path(path)}: pre_tokenizer.{name} must be {str(needed).lower()}, as GPT-2 has it; "
                "otherwise a text is cut up in another way"
            )


def _read_added(added: object, path: Path) -> dict[str, int]:
    if not isinstance(added, list) or not all(isinstance(entry, dict) for entry in added):
        raise UserError(f"{show_path(path)}: added_tokens must be a list of objects, not {describe(added)}")
    tokens: dict[str, int] = {}
    for entry in added:
        token, index = entry.get("content"), entry.get("id")
        if not isinstance(token, str) or not isinstance(index, int) or isinstance(index, bool):
            raise UserError(f"{show_path(path)}: each of added_tokens must have content and id, not {describe(entry)}")
        if bad := next((name for name in _ADDED if entry.get(name)), None):
            raise UserError(f"{show_path(path)}: the added token {quote(token)} must have {bad} false; {_REMEDY}")
        if token in tokens:
            raise UserError(f"{show_path(path)}: the added token {quote(token)} occurs twice; keep one")
        tokens[token] = index
    return tokens


def _read_pair(vocabulary_path: Path, merges_path: Path) -> BpeTokenizer:
    tokens = _by_id(_read_vocabulary(_read_object(vocabulary_path), vocabulary_path, "the file"), vocabulary_path)
    merges = _read_merges(merges_path)
    made = {merge.replace(" ", "", 1) for merge in merges} | set(BYTE_SYMBOLS.values())
    unmade = [token for token in tokens if token not in made]
    if bad := [token for token in unmade if not _looks_special(token)]:
        raise UserError(
            f"{show_path(merges_path)} must make every token of {vocabulary_path.name}, and "
            f"{count_of(len(bad), 'token')} such as {quote(bad[0])} are missing; is the file complete?"
        )
    return _make(tokens, merges, tuple(unmade), show_path(vocabulary_path.parent))


def _looks_special(token: str) -> bool:
    return len(token) > 2 and (token[0] + token[-1]) in ("<>", "[]")


def _read_merges(path: Path) -> tuple[str, ...]:
    try:
        text = read_regular(path, _LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{show_path(path)} must be UTF-8, and byte {error.start} is not; get the file again"
        ) from error
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return tuple(lines[1:] if lines[0].startswith("#version") else lines if text else ())


def _read_object(path: Path) -> dict[str, Any]:
    try:
        record = parse_json(read_regular(path, _LARGEST))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{show_path(path)} must be JSON in UTF-8: {error}; get the file again") from error
    if not isinstance(record, dict):
        raise UserError(f"{show_path(path)} must be a JSON object, not {type(record).__name__}; get the file again")
    return record


def _read_vocabulary(values: object, path: Path, name: str) -> dict[str, int]:
    if not isinstance(values, dict) or not values:
        raise UserError(f"{show_path(path)}: {name} must be an object of at least one token, not {describe(values)}")
    for token, index in values.items():
        if not isinstance(index, int) or isinstance(index, bool):
            raise UserError(f"{show_path(path)}: the id of {quote(token)} must be a number, not {describe(index)}")
    return values


def _by_id(vocabulary: Mapping[str, int], path: Path) -> tuple[str, ...]:
    tokens = {index: token for token, index in vocabulary.items()}
    if set(tokens) != set(range(len(vocabulary))):
        raise UserError(
            f"{show_path(path)}: {count_of(len(vocabulary), 'token')} must have the ids 0 … {len(vocabulary) - 1}, "
            "each once; get the file again"
        )
    return tuple(tokens[index] for index in range(len(tokens)))


def _make(tokens: tuple[str, ...], merges: tuple[Any, ...], special: tuple[str, ...], place: str) -> BpeTokenizer:
    try:
        return BpeTokenizer(tokens, merges, special)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
