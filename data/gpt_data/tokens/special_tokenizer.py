"""A vocabulary of characters or words that also has special tokens, such as <UNK>, <pad> or <bos>."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import TextStream, TokenStream
from gpt_data.tokens.tokenizer import Tokenizer, number_tokens, require_text
from gpt_data.wording import count_of, quote, short_repr

_SPECIAL = re.compile(r"<[^<>\s]+>")


def is_special(token: object) -> bool:
    """Return whether a vocabulary entry is a name in angle brackets, which stands for no text."""
    return isinstance(token, str) and _SPECIAL.fullmatch(token) is not None


@dataclass(frozen=True)
class SpecialTokenizer:
    """A tokenizer of the other tokens, and all tokens by id; in a text, the name of a special token is that token.

    Raises
    ------
    UserError
        If an entry is a duplicate.
    """

    others: Tokenizer
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        number_tokens(self.vocabulary, bool, "not empty")

    def __repr__(self) -> str:
        return short_repr(f"SpecialTokenizer of {count_of(self.vocab_size, 'token')}")

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""
        return len(self.vocabulary)

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens.

        Raises
        ------
        UserError
            If the text is empty or contains a token outside the vocabulary.
        """
        parts, name = list[npt.NDArray[np.int64]](), ""
        for part in filter(None, self._names.split(require_text(text))):
            if is_special(part):
                parts.append(np.array([self._ids[part]], dtype=np.int64))
                name = part
                continue
            try:
                parts.append(self._ids_of_others[self.others.encode(part)])
            except UserError as error:
                raise UserError(f"after {quote(name)}: {error}" if name else str(error)) from error
        return np.concatenate(parts)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,), a special token by its name.

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
        return self.others.to_dict() | {"vocabulary": list(self.vocabulary)}

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary)}

    @cached_property
    def _ids_of_others(self) -> npt.NDArray[np.int64]:
        return np.array([self._ids[token] for token in self.others.vocabulary], dtype=np.int64)

    @cached_property
    def _names(self) -> re.Pattern[str]:
        names = [re.escape(token) for token in self.vocabulary if is_special(token)]
        return re.compile(f"({'|'.join(names)})")
