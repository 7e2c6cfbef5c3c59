"""Vocabularies of characters or words as ``tokenizer.json``, the file of the library ``tokenizers``.

The library splits a text with the same rule, and looks each token up: its ids are the same, and as here a token outside
the vocabulary is an error. Decoding joins the tokens and adds nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.json_values import parse_json
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.special_tokenizer import SpecialTokenizer, is_special
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import make_tokenizer
from gpt_data.tokens.word_tokenizer import JOINERS

FILE = "tokenizer.json"
_LARGEST = 1 << 26  # bytes: 64 MiB, ten times the largest vocabulary in use
_LETTER = r"\p{L}\p{N}_"  # what \w is in Python; in the library's regular expressions \w includes accents
_RULES = {"characters": r"[\s\S]", "words": rf"[{_LETTER}]+(?:[{JOINERS}][{_LETTER}]+)*|[^{_LETTER}]"}
_NO_TOKEN = "no token"  # the library wants the name of a token for unknown ones; no token has a space inside


def word_level_file(tokenizer: Tokenizer) -> bytes | None:
    """Return the content of tokenizer.json, or None if the tokenizer is of another kind.

    It is also None if the vocabulary has half a surrogate pair, which no file of text can contain.
    """
    record = _record(tokenizer)
    try:
        return None if record is None else json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return None


def read_word_level(directory: Path) -> Tokenizer | None:
    """Return the tokenizer whose tokenizer.json is in the directory, or None if it has no file or another one.

    Raises
    ------
    UserError
        If the file cannot be read or is too large.
    """
    path = directory / FILE
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        return None
    content = read_regular(path, _LARGEST)
    try:
        record = parse_json(content)
        vocabulary = tuple(record["model"]["vocab"])
    except (ValueError, TypeError, KeyError):
        return None
    for kind in _RULES:
        try:
            tokenizer = make_tokenizer(kind, vocabulary)
        except UserError:
            continue
        if _record(tokenizer) == record:
            return tokenizer
    return None


def _record(tokenizer: Tokenizer) -> dict[str, Any] | None:
    kind = tokenizer.to_dict()["kind"]
    if kind not in _RULES:
        return None
    vocabulary = {token: index for index, token in enumerate(tokenizer.vocabulary)}
    special = [token for token in vocabulary if isinstance(tokenizer, SpecialTokenizer) and is_special(token)]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary[token], "content": token, **flags, "special": True} for token in special],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": _RULES[kind]},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": _NO_TOKEN},
    }
