"""The corpora by name, and corpora kept in directories of token files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpt_data.checks import TokenIds
from gpt_data.errors import UserError
from gpt_data.tiny import tiny_phrases, tiny_text
from gpt_data.token_files import read_token_files, write_token_files
from gpt_data.tokenizer import WordTokenizer
from gpt_data.wording import listed, shown, shown_path, suggestion

TRAIN_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as tokens, split for training and validation; the arrays are read-only.

    ``phrases`` is the process that made the text, where it is known: phrases drawn uniformly and
    independently, each followed by one space. ``gpt_data.loss_floor`` computes from it the lowest loss that
    any model can reach.
    """

    name: str
    tokenizer: WordTokenizer
    train: TokenIds
    val: TokenIds
    phrases: tuple[str, ...] | None = None


def load_corpus(name: str) -> Corpus:
    """Return a corpus by its name.

    Raises
    ------
    UserError
        If there is none of that name; the message lists them and names the nearest.
    """
    if name not in CORPORA:
        hint = suggestion(name, CORPORA) or ";"
        raise UserError(f"unknown corpus {shown(name)}{hint} there are: {listed(CORPORA)}")
    return CORPORA[name]()


def _tiny() -> Corpus:
    text = tiny_text()
    tokenizer = WordTokenizer.from_text(text)
    train, val = _split(tokenizer.encode(text))
    return Corpus("tiny", tokenizer, train, val, tiny_phrases())


CORPORA: dict[str, Callable[[], Corpus]] = {"tiny": _tiny}


def _split(tokens: TokenIds) -> tuple[TokenIds, TokenIds]:
    tokens.flags.writeable = False
    cut = int(TRAIN_SHARE * len(tokens))
    return tokens[:cut], tokens[cut:]


def prepare(corpus: Corpus, directory: str | os.PathLike[str]) -> None:
    """Write the corpus as token files into the directory, which is made if need be.

    Raises
    ------
    UserError
        If a split is empty or the directory cannot be written; files already there are then as they were.
    """
    meta = {
        "name": corpus.name,
        "tokenizer": corpus.tokenizer.to_dict(),
        "phrases": None if corpus.phrases is None else list(corpus.phrases),
    }
    write_token_files(directory, corpus.train, corpus.val, corpus.tokenizer.vocab_size, meta)


def open_corpus(directory: str | os.PathLike[str]) -> Corpus:
    """Return the corpus that ``prepare`` wrote, its tokens memory-mapped and verified.

    Raises
    ------
    UserError
        If a file is missing, damaged, or not what ``prepare`` writes.
    """
    files = read_token_files(directory)
    place = shown_path(Path(directory) / "meta.json")
    name, phrases = files.meta.get("name"), files.meta.get("phrases")
    if not isinstance(name, str):
        raise UserError(f"{place}: name must be a string, not {name!r:.60}; make it again")
    if phrases is not None and not _are_phrases(phrases):
        raise UserError(f"{place}: phrases must be null or a list of strings, not {phrases!r:.60}; make it again")
    try:
        tokenizer = WordTokenizer.from_dict(files.meta.get("tokenizer"))
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    if tokenizer.vocab_size != files.meta["vocab_size"]:
        raise UserError(
            f"{place}: vocab_size must be the tokenizer's {tokenizer.vocab_size}, "
            f"not {files.meta['vocab_size']}; make it again"
        )
    return Corpus(name, tokenizer, files.train, files.val, None if phrases is None else tuple(phrases))


def _are_phrases(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(phrase, str) for phrase in value)
