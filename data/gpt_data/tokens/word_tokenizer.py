"""The word tokenizer: words, white space and punctuation, lossless; an unknown token is an error.

A token is a word or any other single character: a space, a line break, a comma, an accent written as a separate mark.
A word consists of letters, digits and underscores, and may contain an apostrophe or a hyphen between two of them:
don't, well-known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import TextStream, TokenStream
from gpt_data.tokens.tokenizer import number_tokens, require_text
from gpt_data.wording import count_of, list_names, quote, short_repr, suggest

JOINERS = "'’‐‑-"
"""What may join two parts of a word: both apostrophes; the hyphen, the non-breaking hyphen and the keyboard's."""
_TOKEN = re.compile(rf"\w++(?:[{JOINERS}]\w++)*+|\W")
# Most tokens are followed by a space; matching both together creates half as many objects. For ASCII text the same
# search with re.ASCII takes two thirds of the time.
_SPACED = re.compile(rf"\w++(?:[{JOINERS}]\w++)*+ ?+|\W ?+")
_SPACED_ASCII = re.compile(r"\w++(?:['-]\w++)*+ ?+|\W ?+", re.ASCII)
_END = re.compile(rf"[^\w{JOINERS}]")  # a character that ends any word
_SLICE = 1 << 17  # characters encoded at a time


@dataclass(frozen=True)
class WordTokenizer:
    """A vocabulary of words and single other characters; a token's id is its index in it.

    ``decode(encode(text)) == text`` for every text whose tokens are all in the vocabulary.

    Raises
    ------
    UserError
        If the vocabulary is empty, or an entry is not a string, not a token (``"a b"``, ``""``) or a duplicate.
    """

    vocabulary: tuple[str, ...]
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = number_tokens(
            self.vocabulary,
            _TOKEN.fullmatch,
            "a word (letters, digits and _; inside it also apostrophes and hyphens) or a single other character",
        )
        codes = {token: 2 * index for token, index in ids.items()}
        if " " in ids:
            codes |= {f"{token} ": 2 * index + 1 for token, index in ids.items()}
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "_codes", codes)

    def __repr__(self) -> str:
        return short_repr(f"WordTokenizer of {count_of(self.vocab_size, 'token')}")

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""
        return len(self.vocabulary)

    @classmethod
    def from_text(cls, text: str) -> WordTokenizer:
        """Return the tokenizer whose vocabulary is the sorted list of the text's tokens.

        Raises
        ------
        UserError
            If the text is empty.
        """
        return cls(survey_words([require_text(text)])[0])

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens.

        Raises
        ------
        UserError
            If the text is empty or contains a token outside the vocabulary; the message gives the token and its
            position.
        """
        slices = (text[start : start + _SLICE] for start in range(0, len(require_text(text)), _SLICE))
        try:
            return np.concatenate([self._encode_piece(piece) for piece in whole_words(slices)])
        except KeyError:
            raise UserError(self._unknown_message(text)) from None

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,).

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        return "".join(map(self.vocabulary.__getitem__, ids_in_vocabulary(ids, self.vocab_size).tolist()))

    def stream(self) -> TextStream:
        """Return what turns sampled ids into text, one by one."""
        return TokenStream(self.vocabulary)

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, for meta.json and checkpoints."""
        return {"kind": "words", "vocabulary": list(self.vocabulary)}

    def _encode_piece(self, piece: str) -> npt.NDArray[np.int64]:
        found = _find_tokens(piece)
        codes = np.fromiter(map(self._codes.__getitem__, found), dtype=np.int64, count=len(found))
        spaced = codes & 1  # an odd code is a token with the space after it
        ids = np.full(codes.size + int(spaced.sum()), self._codes.get(" ", 0) >> 1, dtype=np.int64)
        ids[np.arange(codes.size) + np.cumsum(spaced) - spaced] = codes >> 1
        return ids

    def _unknown_message(self, text: str) -> str:
        words = 0
        for match in _TOKEN.finditer(text):
            if match.group() not in self._codes:
                break
            words += _is_word(match.group())
        token, character = match.group(), match.start() + 1
        what = f"word {quote(token)}" if _is_word(token) else f"character {quote(token)}" if token != " " else "space"
        where = f"word {words + 1}" if _is_word(token) else f"after word {words}"
        return (
            f"unknown {what} ({where}, character {character}){suggest(token, self.vocabulary) or ';'} "
            f"the vocabulary has {self.vocab_size} tokens: {list_names(self.vocabulary)}"
        )


def survey_words(pieces: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """Return the distinct tokens of a text in pieces, sorted, and the number of all its tokens."""
    seen: set[str] = set()
    count = spaced = 0
    for piece in whole_words(pieces):
        found = _find_tokens(piece)
        seen.update(found)
        alone = found.count(" ") + found.count("  ")  # every other space was matched with the token before it
        count += len(found)
        spaced += piece.count(" ") - alone
    tokens = {text[:-1] if text[-1] == " " and text != " " else text for text in seen}
    return tuple(sorted(tokens | {" "} if spaced else tokens)), count + spaced


def whole_words(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the same text in pieces that never end inside a token."""
    rest: list[str] = []
    for piece in pieces:
        end = _END.search(piece[::-1])
        cut = len(piece) - end.start() if end else 0
        if cut:
            yield "".join([*rest, piece[:cut]])
            rest = []
        rest.append(piece[cut:])
    if last := "".join(rest):
        yield last


def _find_tokens(piece: str) -> list[str]:
    """Return the tokens of the piece, each with one space after it if there is one."""
    return (_SPACED_ASCII if piece.isascii() else _SPACED).findall(piece)


def _is_word(token: str) -> bool:
    return len(token) > 1 or re.match(r"\w", token) is not None
