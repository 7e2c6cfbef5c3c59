"""A corpus in the ids of another tokenizer: a trained model keeps its own, whatever text it is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds
from gpt_data.errors import UserError
from gpt_data.texts.corpora import Corpus, fingerprint, open_dataset
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.token_files import token_dtype
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import KINDS
from gpt_data.tokens.word_tokenizer import WordTokenizer
from gpt_data.wording import count_of, list_names, quote

_SLICE = 1 << 20  # tokens converted at a time
_MOST_PADDING = 127  # rows: vocabularies are padded to a multiple of 64 or 128
_BY_TEXT = (CharacterTokenizer, WordTokenizer)  # how they split a text does not depend on their vocabulary


def re_encode(corpus: Corpus, tokenizer: Tokenizer) -> Corpus:
    """Return the same text in the ids of a model's tokenizer; a corpus that has them already is returned unchanged.

    From words to words, or characters to characters, each token keeps its text, and memory grows by the ids; otherwise
    the text is encoded again as a whole, each split by itself. Ids whose tokens are not known, the corpus's or the
    model's, are taken to be the same as the other's.

    Raises
    ------
    UserError
        If the text has tokens that the tokenizer lacks, which the message lists, or ids that cannot be the same.
    """
    ours = corpus.tokenizer
    if ours == tokenizer:
        return corpus
    if isinstance(ours, IdTokenizer) or isinstance(tokenizer, IdTokenizer):
        return _with_bare_ids(corpus, tokenizer)
    if type(ours) is type(tokenizer) and isinstance(ours, _BY_TEXT):
        return _renumbered(corpus, tokenizer)
    train, val = (ours.decode(split) for split in (corpus.train, corpus.val))
    if isinstance(tokenizer, _BY_TEXT):
        survey = KINDS[tokenizer.to_dict()["kind"]].survey
        found = {token for text in (train, val) for token in survey([text])[0]}
        _require_known(corpus, sorted(found - set(tokenizer.vocabulary)))
    try:
        splits = [_as_ids(tokenizer.encode(text), tokenizer) for text in (train, val)]
    except UserError as error:
        raise UserError(f"{_different(corpus)}: {error}") from error
    return Corpus(corpus.name, tokenizer, splits[0], splits[1])


def reopen_dataset(
    dataset: str, source: str | os.PathLike[str] | None, tokenizer: Tokenizer, expected: str | None
) -> Corpus | None:
    """Return the corpus on which a model was trained, or None if its fingerprint is not the ``expected`` one any more.

    Raises
    ------
    UserError
        As ``open_dataset``.
    """
    corpus = open_dataset(dataset, source, tokenizer)
    with suppress(UserError):  # it has changed, and its fingerprint with it
        corpus = re_encode(corpus, tokenizer)
    return corpus if fingerprint(corpus) == expected else None


def _renumbered(corpus: Corpus, tokenizer: Tokenizer) -> Corpus:
    """Return the corpus with each token's id in another vocabulary of the same kind."""
    vocabulary = corpus.tokenizer.vocabulary
    ids = {token: index for index, token in enumerate(tokenizer.vocabulary)}
    others = np.array([ids.get(token, -1) for token in vocabulary], dtype=np.int64)
    used = np.zeros(len(vocabulary), dtype=np.bool_)
    for split in (corpus.train, corpus.val):
        for part in _slices(split):
            used[part] = True
    _require_known(corpus, [vocabulary[index] for index in np.flatnonzero(used & (others < 0))])
    if np.array_equal(others[used], np.flatnonzero(used)):
        return replace(corpus, tokenizer=tokenizer)
    splits = []
    for split in (corpus.train, corpus.val):
        renumbered = np.empty(split.size, dtype=token_dtype(tokenizer.vocab_size))
        for part, place in zip(_slices(split), range(0, split.size, _SLICE), strict=True):
            renumbered[place : place + part.size] = others[part]
        renumbered.flags.writeable = False
        splits.append(renumbered)
    return replace(corpus, tokenizer=tokenizer, train=splits[0], val=splits[1])


def _with_bare_ids(corpus: Corpus, tokenizer: Tokenizer) -> Corpus:
    """Return the corpus with the tokenizer that knows its tokens; the ids stay, as there is nothing to compare."""
    ours = corpus.tokenizer
    if not isinstance(ours, IdTokenizer):  # the model's are bare
        padding = tokenizer.vocab_size - ours.vocab_size
        if not 0 <= padding <= _MOST_PADDING:
            raise UserError(
                f"{_different(corpus)}: the model's {tokenizer.vocab_size:,} tokens are not known, and cannot be the "
                f"{count_of(ours.vocab_size, 'token')} of this text"
            )
        return corpus
    largest = max(int(part.max()) for split in (corpus.train, corpus.val) for part in _slices(split))
    if largest >= tokenizer.vocab_size:
        raise UserError(
            f"{_different(corpus)}: it has the id {largest:,}, and the model {count_of(tokenizer.vocab_size, 'token')}"
        )
    return replace(corpus, tokenizer=tokenizer)


def _require_known(corpus: Corpus, missing: list[str]) -> None:
    if missing:
        raise UserError(
            f"{_different(corpus)}, which does not know {count_of(len(missing), 'token')} of it: "
            f"{list_names(missing)}; use a text without them"
        )


def _different(corpus: Corpus) -> str:
    return f"the corpus {quote(corpus.name)} has a different vocabulary from the model"


def _as_ids(ids: npt.NDArray[np.int64], tokenizer: Tokenizer) -> npt.NDArray[np.integer[Any]]:
    small = ids.astype(token_dtype(tokenizer.vocab_size))
    small.flags.writeable = False
    return small


def _slices(tokens: TokenIds) -> Iterator[TokenIds]:
    return (tokens[start : start + _SLICE] for start in range(0, tokens.size, _SLICE))
