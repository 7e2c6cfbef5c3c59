"""Text files of one's own made into token files, in memory that grows with the vocabulary and not with the text.

The text is read twice: once for its vocabulary and its length, once for its tokens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.files.atomic import made_directory
from gpt_data.files.regular_file import open_regular
from gpt_data.files.text_files import read_texts
from gpt_data.tokens.character_tokenizer import survey_characters
from gpt_data.tokens.token_files import check_place, write_token_chunks
from gpt_data.tokens.tokenizer import KINDS, Tokenizer
from gpt_data.tokens.word_tokenizer import survey_words, whole_words

Survey = Callable[[Iterable[str]], tuple[tuple[str, ...], int]]
Pieces = Callable[[Iterable[str]], Iterable[str]]
# For each kind, how to find vocabulary and number of tokens, and how to cut pieces that can be encoded by themselves.
_KINDS: dict[str, tuple[Survey, Pieces]] = {
    "characters": (survey_characters, iter),
    "words": (survey_words, whole_words),
}


def prepare_text(
    files: Sequence[str | os.PathLike[str]],
    directory: str | os.PathLike[str],
    *,
    kind: Literal["characters", "words"],
    val_share: float = 0.1,
    name: str | None = None,
) -> None:
    """Write the texts of the files, one after another, as token files for ``open_corpus``.

    The vocabulary is all tokens of the text, sorted. Of n tokens the first ⌊n·(1 − val_share)⌋ are for training,
    the rest for validation. ``name`` is the directory's own where none is given.

    Raises
    ------
    UserError
        If a file cannot be read or is not UTF-8, the text has too few tokens for two splits, an argument is out of
        its range, or the directory cannot be written or holds something else; it is then as it was before.
    """
    share = _share(val_share)
    if kind not in tuple(_KINDS):  # not in the dict itself, which a list, say, cannot be looked up in
        raise UserError(f"kind must be {' or '.join(_KINDS)}, not {kind!r:.60}")
    place, paths = Path(directory), [Path(file) for file in files]
    if not paths:
        raise UserError("a corpus must have a text: name at least one text file")
    for path in paths:
        open_regular(path).close()  # the last one's fault is told before the first one is read for minutes
    check_place(place)
    survey, whole = _KINDS[kind]
    with made_directory(place):
        vocabulary, tokens = survey(read_texts(paths))
        train_tokens = _train_tokens(tokens, share)
        tokenizer = KINDS[kind](vocabulary)
        chunks = _encoded(tokenizer, whole(read_texts(paths)), tokens)
        meta = {"name": name or place.resolve().name, "tokenizer": tokenizer.to_dict(), "phrases": None}
        write_token_chunks(place, chunks, train_tokens, tokenizer.vocab_size, meta)


def _encoded(tokenizer: Tokenizer, pieces: Iterable[str], tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the ids of each piece; they must be of the vocabulary, and as many, as the first reading found."""
    count, reason = 0, ""
    for piece in pieces:
        try:
            ids = tokenizer.encode(piece)
        except UserError as error:
            reason = str(error)
            break
        count += ids.size
        yield ids
    if reason or count != tokens:
        raise UserError(
            f"the text must stay as it is while it is prepared, and changed between two readings "
            f"({reason or f'{count} tokens in place of {tokens}'}); prepare it again"
        )


def _share(val_share: object) -> Fraction:
    # What the digits say: 1 − 0.9 is not 0.1 in binary, and a token would move from one split to the other.
    if isinstance(val_share, int | float | np.floating) and 0 < val_share < 1:
        return Fraction(str(val_share))
    raise UserError(f"val_share must be a number between 0 and 1, not {val_share!r:.60}; try 0.1")


def _train_tokens(tokens: int, share: Fraction) -> int:
    if not tokens:
        raise UserError("the text must hold at least one token, and is empty; use other files")
    least = ceil(1 / (1 - share))  # validation is rounded up and never empty; training needs one whole token
    if tokens < least:
        raise UserError(
            f"a text must have at least {least} tokens for two splits with val_share={float(share)}, and has {tokens}; "
            "use a longer text"
        )
    return int(tokens * (1 - share))
