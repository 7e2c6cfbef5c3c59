"""Convert your own text files to token files, with memory that grows with the vocabulary but not with the text.

The text is read twice: first for its vocabulary and its length, then for its tokens. For byte pairs it is cut into
training and validation by characters, as nanoGPT does, and the merges are learned from the training part only, which
is then read three times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, to_path, whole_number
from gpt_data.errors import UserError
from gpt_data.files.atomic import make_directory
from gpt_data.files.regular_file import open_regular, read_texts
from gpt_data.tokens.bpe_tokenizer import BpeTokenizer, bpe_library, separable_pieces
from gpt_data.tokens.bpe_training import LEAST_VOCABULARY, train_bpe
from gpt_data.tokens.token_files import check_directory, write_token_chunks, write_token_parts
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import KINDS
from gpt_data.wording import describe

TEXT_KINDS = (*KINDS, "bpe")
"""How a text can be split into tokens."""


def prepare_text(
    files: Sequence[str | os.PathLike[str]],
    directory: str | os.PathLike[str],
    *,
    kind: Literal["characters", "words", "bpe"],
    val_share: float = 0.1,
    name: str | None = None,
    vocab_size: int | None = None,
    tokenizer: BpeTokenizer | None = None,
) -> None:
    """Write the texts of the files, in order, as token files for ``open_corpus``.

    The vocabulary is all tokens of the text, sorted. Of n tokens the first ⌊n·(1 − val_share)⌋ are for training and
    the rest for validation. For the kind ``bpe``, n counts characters, and the vocabulary is that of ``tokenizer``, or
    of ``vocab_size`` tokens, learned from the training part. ``name`` defaults to that of the directory.

    Raises
    ------
    UserError
        If a file cannot be read or is not UTF-8, the text has too few tokens for two splits, an argument is out of
        range, or the directory cannot be written or contains other files; it is then unchanged.
    """
    share = _exact_share(val_share)
    if kind not in TEXT_KINDS:
        raise UserError(f"kind must be {' or '.join(TEXT_KINDS)}, not {describe(kind)}")
    if (vocab_size is not None) + (tokenizer is not None) != (kind == "bpe"):
        raise UserError("the kind bpe, and no other, needs either a vocab_size, such as 512, or a tokenizer")
    place, paths = to_path(directory), [to_path(file) for file in files]
    if not paths:
        raise UserError("a corpus must have a text: name at least one text file")
    for path in paths:
        open_regular(path).close()  # report a missing last file before spending minutes on the first
    check_directory(place)
    meta: dict[str, Any] = {"name": name or place.resolve().name, "tokenizer": None, "phrases": None}
    with make_directory(place):
        if kind == "bpe":
            _write_byte_pairs(paths, place, share, vocab_size, tokenizer, meta)
            return
        vocabulary, tokens = KINDS[kind].survey(read_texts(paths))
        train_tokens = _train_tokens(tokens, share)
        own = KINDS[kind].tokenizer(vocabulary)
        chunks = _encode(own, KINDS[kind].whole_tokens(read_texts(paths)), tokens)
        write_token_chunks(place, chunks, train_tokens, own.vocab_size, meta | {"tokenizer": own.to_dict()})


def _write_byte_pairs(
    paths: Sequence[Path],
    place: Path,
    share: Fraction,
    vocab_size: int | None,
    tokenizer: BpeTokenizer | None,
    meta: dict[str, Any],
) -> None:
    bpe_library()  # before the text is read
    characters = sum(map(len, read_texts(paths)))
    cut = _train_tokens(characters, share, "character")
    if tokenizer is None:
        size = whole_number("vocab_size", vocab_size, LEAST_VOCABULARY, "a vocabulary has all 256 bytes")
        tokenizer = train_bpe(_span(read_texts(paths), 0, cut), size)
    parts = _encode_spans(tokenizer, paths, cut, characters)
    write_token_parts(place, parts, tokenizer.vocab_size, meta | {"tokenizer": tokenizer.to_dict()})


def _encode_spans(
    tokenizer: BpeTokenizer, paths: Sequence[Path], cut: int, characters: int
) -> Iterator[tuple[int, TokenIds]]:
    """Yield the ids of both splits, each encoded as a text of its own, and check the number of characters."""
    count = 0
    for split, (start, stop) in enumerate(((0, cut), (cut, None))):
        for piece in separable_pieces(_span(read_texts(paths), start, stop)):
            count += len(piece)
            yield split, tokenizer.encode(piece)
    if count != characters:
        raise UserError(_changed_message(f"{count} characters instead of {characters}"))


def _span(pieces: Iterable[str], start: int, stop: int | None) -> Iterator[str]:
    """Yield the characters from ``start`` up to ``stop`` of a text in pieces."""
    place = 0
    for piece in pieces:
        if stop is not None and place >= stop:
            return
        part = piece[max(start - place, 0) : None if stop is None else stop - place]
        place += len(piece)
        if part:
            yield part


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
        raise UserError(_changed_message(reason or f"{count} tokens instead of {tokens}"))


def _changed_message(what: str) -> str:
    return (
        f"the text must not change while it is prepared, but it changed between two readings ({what}); prepare it again"
    )


def _exact_share(val_share: object) -> Fraction:
    # Exact decimal arithmetic: 1 − 0.9 is not 0.1 in binary, which would move a token from one split to the other.
    if isinstance(val_share, int | float | np.floating) and 0 < val_share < 1:
        return Fraction(str(val_share))
    raise UserError(f"val_share must be a number between 0 and 1, not {describe(val_share)}; try 0.1")


def _train_tokens(tokens: int, share: Fraction, noun: str = "token") -> int:
    if not tokens:
        raise UserError(f"the text must contain at least one {noun}, and is empty; use other files")
    least = ceil(1 / (1 - share))  # validation is rounded up and never empty; training needs one token
    if tokens < least:
        raise UserError(
            f"a text must have at least {least} {noun}s for two splits with val_share={float(share)}, "
            f"and has {tokens}; use a longer text"
        )
    return int(tokens * (1 - share))
