"""Vocabularies of characters or words as ``tokenizer.json``, the file of the library ``tokenizers``.

The library splits a text with the same rule, and looks each token up: its ids are the same, and as here a token outside
the vocabulary is an error. Decoding joins the tokens and adds nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.json_values import parse_json
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.word_tokenizer import JOINERS, WordTokenizer

FILE = "tokenizer.json"
_LARGEST = 1 << 26  # bytes: 64 MiB, ten times the largest vocabulary in use
_LETTER = r"\p{L}\p{N}_"  # what \w is in Python; in the library's regular expressions it includes accents
_RULES = {
    CharacterTokenizer: r"[\s\S]",
    WordTokenizer: rf"[{_LETTER}]+(?:[{JOINERS}][{_LETTER}]+)*|[^{_LETTER}]",
}
_NO_TOKEN = "<unk>"  # the library wants a name; a token of several characters is never in the vocabulary with a <


def word_level_file(tokenizer: Tokenizer) -> bytes | None:
    """Return the content of tokenizer.json, or None if the tokenizer is of another kind.

    It is also None if the vocabulary has half a surrogate pair, which no file of text can contain.
    """
    if type(tokenizer) not in _RULES or any("\ud800" <= letter < "\ue000" for letter in "".join(tokenizer.vocabulary)):
        return None
    return json.dumps(_record(tokenizer), ensure_ascii=False).encode()


def read_word_level(directory: Path) -> Tokenizer | None:
    """Return the tokenizer whose tokenizer.json is in the directory, or None if it has no file or another one.

    Raises
    ------
    UserError
        If the file cannot be read or is too large.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    content = read_regular(path, _LARGEST)
    try:
        record = parse_json(content)
        vocabulary = tuple(record["model"]["vocab"])
    except (ValueError, TypeError, KeyError):
        return None
    for kind in (CharacterTokenizer, WordTokenizer):
        try:
            tokenizer: Tokenizer = kind(vocabulary)
        except UserError:
            continue
        if _record(tokenizer) == record:
            return tokenizer
    return None


def _record(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": _RULES[type(tokenizer)]},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: index for index, token in enumerate(tokenizer.vocabulary)},
            "unk_token": _NO_TOKEN,
        },
    }
