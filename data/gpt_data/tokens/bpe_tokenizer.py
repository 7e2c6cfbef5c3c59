"""GPT-2's byte-pair encoding: every text can be encoded, and ``decode(encode(text)) == text``.

A text is cut into words with the space before them, each word into the bytes of its UTF-8, and neighbouring bytes are
joined in the order of the merges. Encoding is left to the library ``tokenizers`` (the extra ``bpe``); everything else
works without it.

Files and checkpoints spell a byte as one visible character, its *symbol*: that of a space is Ġ, so that Ġworld is a
token. A special token, such as <|endoftext|>, has no bytes: its text is cut out before anything is joined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import ByteStream, TextStream
from gpt_data.tokens.tokenizer import number_tokens, require_text
from gpt_data.wording import count_of, describe, quote, short_repr

END_OF_TEXT = "<|endoftext|>"
_VISIBLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))  # bytes whose Latin-1 character is visible
_HIDDEN = tuple(byte for byte in range(256) if byte not in _VISIBLE)
BYTE_SYMBOLS = {byte: chr(byte) for byte in _VISIBLE} | {byte: chr(256 + place) for place, byte in enumerate(_HIDDEN)}
"""The symbol of each byte, in the order of GPT-2's own first 256 tokens."""
_BYTES = {symbol: byte for byte, symbol in BYTE_SYMBOLS.items()}
_SURROGATE = re.compile("[\ud800-\udfff]")
_SLICE = 1 << 13  # characters encoded at a time: the library needs a hundred times their memory
# Between a character and the white space after it there is always a boundary, as no token has white space inside or
# at its end unless all of it is white space. The text is searched backwards.
_CUT = re.compile(r"[ \t\n\r]\S")


@dataclass(frozen=True)
class BpeTokenizer:
    """Tokens by id, spelt in symbols; the merges, most urgent first, as ``"Ġ world"``; the special tokens.

    Raises
    ------
    UserError
        If a token occurs twice or has something other than symbols, or a merge joins or makes what is no token, or
        occurs twice, or a token is neither a byte, nor special, nor made by a merge.
    """

    symbols: tuple[str, ...]
    merges: tuple[str, ...]
    special: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("symbols", "merges", "special"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        ids = number_tokens(self.symbols, _is_spelling, "written without white space")
        _check_special(self.special, ids)
        _check_symbols(set(ids) - set(self.special))
        made = _check_merges(self.merges, ids)
        if unmade := set(ids) - made - _BYTES.keys() - set(self.special):
            raise UserError(
                f"each token must be a byte, special, or made by a merge, and {count_of(len(unmade), 'token')} "
                f"such as {quote(min(unmade))} are not; are merges missing?"
            )

    def __repr__(self) -> str:
        return short_repr(f"BpeTokenizer of {count_of(self.vocab_size, 'token')}")

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""
        return len(self.symbols)

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The UTF-8 of each token, or a part of it: a token may end inside a character."""
        special = set(self.special)
        return tuple(
            symbol.encode() if symbol in special else bytes(map(_BYTES.__getitem__, symbol)) for symbol in self.symbols
        )

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token as text; bytes that are no character by themselves are shown as <0xE2>."""
        return tuple(map(_show_bytes, self.token_bytes))

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens; the text of a special token becomes that token.

        Raises
        ------
        UserError
            If the text is empty, contains half a surrogate pair or a byte that is no token, or the library is missing.
        """
        library = self._library
        parts: list[npt.NDArray[np.int64]] = []
        for piece in separable_pieces([require_text(text)]):
            self._check_piece(piece)
            parts.append(np.array(library.encode(piece, add_special_tokens=False).ids, dtype=np.int64))
        return np.concatenate(parts)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,); bytes that are no UTF-8, such as half a character, become U+FFFD.

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        indices = ids_in_vocabulary(ids, self.vocab_size)
        return b"".join(map(self.token_bytes.__getitem__, indices.tolist())).decode("utf-8", "replace")

    def stream(self) -> TextStream:
        """Return what turns sampled ids into text, one by one; a character appears when its last byte does."""
        return ByteStream(self.token_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, for meta.json and checkpoints: tokens and merges as one text each."""
        tokens, merges = " ".join(self.symbols), "\n".join(self.merges)
        return {"kind": "bpe", "vocabulary": tokens, "merges": merges, "special": list(self.special)}

    @cached_property
    def _library(self) -> Any:
        tokenizers = bpe_library()
        ids = {symbol: index for index, symbol in enumerate(self.symbols)}
        model = tokenizers.models.BPE(vocab=ids, merges=[tuple(merge.split(" ")) for merge in self.merges])
        library = tokenizers.Tokenizer(model)
        library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        library.add_special_tokens([tokenizers.AddedToken(token, normalized=False) for token in self.special])
        return library

    @cached_property
    def _missing(self) -> frozenset[int]:
        symbols = set(self.symbols)
        return frozenset(byte for byte, symbol in BYTE_SYMBOLS.items() if symbol not in symbols)

    def _check_piece(self, piece: str) -> None:
        if found := _SURROGATE.search(piece):
            raise UserError(
                f"a text must be valid Unicode, and {quote(found.group())} (character {found.start() + 1}) is half a "
                "surrogate pair; remove it"
            )
        # The library would leave out what it cannot encode.
        if self._missing and (lost := sorted(self._missing.intersection(piece.encode()))):
            raise UserError(
                f"unknown byte 0x{lost[0]:02X}: the vocabulary lacks {count_of(len(self._missing), 'byte')}, so it "
                "cannot encode every text"
            )


def bpe_from_dict(values: object) -> BpeTokenizer:
    """Return the tokenizer whose ``to_dict`` returned these values.

    Raises
    ------
    UserError
        If an entry is missing, of another type, or not as ``BpeTokenizer`` requires.
    """
    if not isinstance(values, dict) or set(values) != {"kind", "vocabulary", "merges", "special"}:
        raise UserError(f"a tokenizer of kind 'bpe' has a vocabulary, merges and special, not {describe(values)}")
    tokens, merges, special = values["vocabulary"], values["merges"], values["special"]
    if not isinstance(tokens, str) or not isinstance(merges, str) or not isinstance(special, list):
        raise UserError("a tokenizer of kind 'bpe' has vocabulary and merges as one text each, and special as a list")
    return BpeTokenizer(tuple(tokens.split(" ")), tuple(merges.split("\n")) if merges else (), tuple(special))


def bpe_library() -> Any:
    """Return the library ``tokenizers``.

    Raises
    ------
    UserError
        If it is not installed; the message names the extra.
    """
    try:
        import tokenizers  # takes longer to import than all of this package
    except ImportError as error:
        raise UserError(
            'byte-pair encoding needs tokenizers, which is not installed: pip install "numpy-gpt[bpe]"'
        ) from error
    return tokenizers


def separable_pieces(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the same text in short pieces that can be encoded one by one: no token crosses from one into the next."""
    rest: list[str] = []
    for piece in (text[start : start + _SLICE] for text in pieces for start in range(0, len(text), _SLICE)):
        found = _CUT.search(piece[::-1])
        cut = len(piece) - found.start() - 1 if found else 0
        if cut:
            yield "".join([*rest, piece[:cut]])
            rest = []
        rest.append(piece[cut:])
    if last := "".join(rest):
        yield last


def _is_spelling(token: str) -> bool:
    return token.split() == [token]


def _check_special(special: tuple[Any, ...], ids: dict[str, int]) -> None:
    for place, token in enumerate(special):
        if not isinstance(token, str) or token not in ids:
            raise UserError(f"special tokens must be in the vocabulary, and {describe(token)} is not")
        if token in special[:place] or token in _BYTES:
            raise UserError(f"a special token must be more than a byte and occur once, not {describe(token)}")
        if _SURROGATE.search(token):
            raise UserError(f"special tokens must be valid Unicode, and {describe(token)} is not")


def _check_symbols(tokens: set[str]) -> None:
    if unknown := set("".join(tokens)) - _BYTES.keys():
        token = min(token for token in tokens if unknown & set(token))
        raise UserError(
            f"the token {quote(token)} must be spelt in the symbols of GPT-2's bytes; is it from another kind of "
            "tokenizer?"
        )


def _check_merges(merges: tuple[Any, ...], ids: dict[str, int]) -> set[str]:
    """Return the tokens that the merges make."""
    made: set[str] = set()
    for place, merge in enumerate(merges, start=1):
        parts = merge.split(" ") if isinstance(merge, str) else []
        if len(parts) != 2:
            raise UserError(f"merge {place} must be two tokens with a space between, not {describe(merge)}")
        token = parts[0] + parts[1]
        if not (parts[0] in ids and parts[1] in ids and token in ids):
            unknown = next(part for part in (*parts, token) if part not in ids)
            raise UserError(f"merge {place}, {quote(merge)}, needs the token {quote(unknown)}, which is missing")
        made.add(token)
    if len(set(merges)) < len(merges):
        twice = Counter(merges).most_common(1)[0][0]
        raise UserError(f"the merge {quote(twice)} occurs twice; keep the first")
    return made


def _show_bytes(content: bytes) -> str:
    text = content.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text
    return "".join(f"<0x{ord(letter) - 0xDC00:02X}>" if _SURROGATE.match(letter) else letter for letter in text)
