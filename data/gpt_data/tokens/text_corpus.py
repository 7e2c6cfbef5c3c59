"""Convert your own text files to token files, with memory that grows with the vocabulary but not with the text.

The text is read twice: first for its vocabulary and its length, then for its tokens.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.atomic import make_directory
from gpt_data.files.regular_file import open_regular, read_texts
from gpt_data.tokens.token_files import check_directory, write_token_chunks
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import KINDS
from gpt_data.wording import describe


def prepare_text(
    files: Sequence[str | os.PathLike[str]],
    directory: str | os.PathLike[str],
    *,
    kind: Literal["characters", "words"],
    val_share: float = 0.1,
    name: str | None = None,
) -> None:
    """Write the texts of the files, in order, as token files for ``open_corpus``.

    The vocabulary is all tokens of the text, sorted. Of n tokens the first ⌊n·(1 − val_share)⌋ are for training and
    the rest for validation. ``name`` defaults to that of the directory.

    Raises
    ------
    UserError
        If a file cannot be read or is not UTF-8, the text has too few tokens for two splits, an argument is out of
        range, or the directory cannot be written or contains other files; it is then unchanged.
    """
    share = _exact_share(val_share)
    if kind not in tuple(KINDS):  # a tuple, because an unhashable value would raise TypeError
        raise UserError(f"kind must be {' or '.join(KINDS)}, not {describe(kind)}")
    place, paths = to_path(directory), [to_path(file) for file in files]
    if not paths:
        raise UserError("a corpus must have a text: name at least one text file")
    for path in paths:
        open_regular(path).close()  # report a missing last file before spending minutes on the first
    check_directory(place)
    with make_directory(place):
        vocabulary, tokens = KINDS[kind].survey(read_texts(paths))
        train_tokens = _train_tokens(tokens, share)
        tokenizer = KINDS[kind].tokenizer(vocabulary)
        chunks = _encode(tokenizer, KINDS[kind].whole_tokens(read_texts(paths)), tokens)
        meta = {"name": name or place.resolve().name, "tokenizer": tokenizer.to_dict(), "phrases": None}
        write_token_chunks(place, chunks, train_tokens, tokenizer.vocab_size, meta)


def _encode(tokenizer: Tokenizer, pieces: Iterable[str], tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the ids of each piece, and check that they match the vocabulary and number of tokens of the first pass."""
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
            f"the text must not change while it is prepared, but it changed between two readings "
            f"({reason or f'{count} tokens instead of {tokens}'}); prepare it again"
        )


def _exact_share(val_share: object) -> Fraction:
    # Exact decimal arithmetic: 1 − 0.9 is not 0.1 in binary, which would move a token from one split to the other.
    if isinstance(val_share, int | float | np.floating) and 0 < val_share < 1:
        return Fraction(str(val_share))
    raise UserError(f"val_share must be a number between 0 and 1, not {describe(val_share)}; try 0.1")


def _train_tokens(tokens: int, share: Fraction) -> int:
    if not tokens:
        raise UserError("the text must contain at least one token, and is empty; use other files")
    least = ceil(1 / (1 - share))  # validation is rounded up and never empty; training needs one token
    if tokens < least:
        raise UserError(
            f"a text must have at least {least} tokens for two splits with val_share={float(share)}, and has {tokens}; "
            "use a longer text"
        )
    return int(tokens * (1 - share))
