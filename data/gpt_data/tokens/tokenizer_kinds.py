"""The kinds of tokenizer by name, for meta.json, checkpoints and ``prepare text``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_tokenizer import bpe_from_dict
from gpt_data.tokens.character_tokenizer import CharacterTokenizer, survey_characters
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.special_tokenizer import SpecialTokenizer, is_special
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer, survey_words, whole_words
from gpt_data.wording import describe


class TokenizerKind(NamedTuple):
    """A kind whose vocabulary is a list of texts: its constructor, and how to read a text in pieces.

    ``survey`` returns the vocabulary and the number of tokens; ``whole_tokens`` yields pieces to encode.
    """

    tokenizer: Callable[[tuple[str, ...]], Tokenizer]
    survey: Callable[[Iterable[str]], tuple[tuple[str, ...], int]]
    whole_tokens: Callable[[Iterable[str]], Iterable[str]]


KINDS: dict[str, TokenizerKind] = {
    "characters": TokenizerKind(CharacterTokenizer, survey_characters, iter),
    "words": TokenizerKind(WordTokenizer, survey_words, whole_words),
}


def make_tokenizer(kind: str, vocabulary: object) -> Tokenizer:
    """Return the tokenizer of a kind in ``KINDS``, whose vocabulary may also have special tokens.

    Raises
    ------
    UserError
        If the vocabulary is invalid.
    """
    if isinstance(vocabulary, list | tuple) and any(map(is_special, vocabulary)):
        others = tuple(token for token in vocabulary if not is_special(token))
        return SpecialTokenizer(KINDS[kind].tokenizer(others), tuple(vocabulary))
    return KINDS[kind].tokenizer(vocabulary)  # type: ignore[arg-type]  # it refuses what is no list


def tokenizer_from_dict(values: object) -> Tokenizer:
    """Return the tokenizer whose ``to_dict`` returned these values.

    Raises
    ------
    UserError
        If its kind is unknown or its vocabulary is invalid.
    """
    if isinstance(values, Mapping):
        kind, names = values.get("kind"), set(values)
        if isinstance(kind, str) and kind in KINDS and names == {"kind", "vocabulary"}:
            return make_tokenizer(kind, values["vocabulary"])
        if kind == "bpe":
            return bpe_from_dict(values)
        if kind == "ids" and names == {"kind", "vocab_size"}:
            return IdTokenizer(values["vocab_size"])
    kinds = " or ".join(map(repr, KINDS))
    raise UserError(
        f"a tokenizer must be {{\"kind\": {kinds}, \"vocabulary\": […]}}, or of the kind 'bpe' or 'ids', "
        f"not {describe(values)}"
    )
