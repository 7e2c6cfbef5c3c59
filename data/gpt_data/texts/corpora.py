"""Corpora by name, and corpora in directories of token files.

A new corpus is a module in ``gpt_data/texts`` with a function that returns its text, an entry in ``CORPORA`` below, and
a section with its facts in data/README.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypedDict

from gpt_data.checks import TokenIds
from gpt_data.errors import UserError
from gpt_data.files.json_values import From
from gpt_data.files.sealed_json import check_record
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.token_files import OWN_KEYS, read_token_files, write_token_files
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.tokens.word_tokenizer import WordTokenizer
from gpt_data.wording import describe, list_names, quote, show_path, suggest

_SLICE = 1 << 20  # tokens hashed at a time, so that memory does not grow with the text


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as tokens, split for training and validation; the arrays are read-only.

    ``phrases`` is the process that generated the text, if known: phrases drawn uniformly and independently, each
    followed by one space. From it ``gpt_data.floors.loss_floor`` computes the lowest loss that any model can reach.
    """

    name: str
    tokenizer: Tokenizer
    train: TokenIds
    val: TokenIds
    phrases: tuple[str, ...] | None = None


class _Entries(TypedDict):
    """The entries that ``prepare`` adds to meta.json."""

    name: str
    tokenizer: Annotated[Tokenizer, From(tokenizer_from_dict)]
    phrases: list[str] | None


def load_corpus(name: str, source: str | os.PathLike[str] | None = None) -> Corpus:
    """Return a corpus by its name; ``source`` is the file of ``shakespeare``, the only corpus that needs one.

    Raises
    ------
    UserError
        If there is no such corpus (the message lists all and suggests the most similar), it takes no source, or its
        text is not available.
    """
    if name not in CORPORA:
        hint = suggest(name, CORPORA) or ";"
        raise UserError(f"unknown corpus {quote(name)}{hint} known: {list_names(CORPORA)}")
    if source is None:
        return CORPORA[name]()
    if name != "shakespeare":
        raise UserError(f"only the corpus 'shakespeare' has a source; {quote(name)} is generated: leave the source out")
    return _shakespeare(source)


def open_dataset(dataset: str, source: str | os.PathLike[str] | None = None, bare: Tokenizer | None = None) -> Corpus:
    """Return the corpus of that name or else the token files, ours or nanoGPT's, in the directory of that name.

    ``bare`` is the tokenizer of a directory that has only ids, in train.bin and val.bin.
    A corpus takes precedence over a directory of the same name; ``./tiny`` is the directory.

    Raises
    ------
    UserError
        If it is neither, if a source is given for a directory, or as in ``load_corpus`` and ``open_corpus``.
    """
    if not isinstance(dataset, str):
        raise UserError(f"a dataset must be the name of a corpus or of a directory, not {describe(dataset)}")
    if dataset in CORPORA:
        return load_corpus(dataset, source)
    directory = Path(dataset)
    if not dataset or not _is_directory(directory):
        raise UserError(
            f"unknown dataset {quote(dataset)}{suggest(dataset, CORPORA) or ';'} there are the corpora "
            f"{list_names(CORPORA)}, and any directory of token files; "
            "make one with numpy_gpt prepare text FILE --out_dir DIR"
        )
    if source is not None:
        raise UserError(f"only the corpus 'shakespeare' has a source; {show_path(directory)} contains its own text")
    if os.access(directory / "meta.json", os.F_OK):
        return open_corpus(directory)
    from gpt_data.tokens.nanogpt import is_nanogpt_directory, read_nanogpt_directory

    if is_nanogpt_directory(directory):
        tokenizer, train, val = read_nanogpt_directory(directory, bare)
        return Corpus(directory.resolve().name, tokenizer, train, val)
    raise UserError(
        f"{show_path(directory)} must contain token files, and has neither our meta.json nor nanoGPT's meta.pkl, nor "
        "train.bin and val.bin; make them with numpy_gpt prepare text FILE --out_dir DIR"
    )


# Each text is imported where it is used: loading one corpus imports neither the others nor networking modules.


def _tiny() -> Corpus:
    from gpt_data.texts.tiny import tiny_phrases, tiny_text

    text = tiny_text()
    return _split("tiny", WordTokenizer.from_text(text), text, 0.8, tiny_phrases())


def _tiny_characters() -> Corpus:
    from gpt_data.texts.tiny import tiny_phrases, tiny_text

    text = tiny_text()
    return _split("tiny-characters", CharacterTokenizer.from_text(text), text, 0.8, tiny_phrases())


def _words() -> Corpus:
    from gpt_data.texts.words import WORDS, words_text

    text = words_text()
    return _split("words", CharacterTokenizer.from_text(text), text, 0.8, WORDS)


def _grammar() -> Corpus:
    from gpt_data.texts.grammar import grammar_text

    text = grammar_text()
    return _split("grammar", WordTokenizer.from_text(text), text, 0.9)


def _shakespeare(source: str | os.PathLike[str] | None = None) -> Corpus:
    from gpt_data.texts.shakespeare import shakespeare_text

    text = shakespeare_text(source)
    return _split("shakespeare", CharacterTokenizer.from_text(text), text, 0.9)


CORPORA: dict[str, Callable[[], Corpus]] = {
    "tiny": _tiny,
    "tiny-characters": _tiny_characters,
    "words": _words,
    "grammar": _grammar,
    "shakespeare": _shakespeare,
}


def _split(
    name: str, tokenizer: Tokenizer, text: str, train_share: float, phrases: tuple[str, ...] | None = None
) -> Corpus:
    """Return the text as a corpus: its first part for training, the rest for validation."""
    tokens = tokenizer.encode(text)
    tokens.flags.writeable = False
    cut = int(train_share * len(tokens))
    return Corpus(name, tokenizer, tokens[:cut], tokens[cut:], phrases)


def prepare(corpus: Corpus, directory: str | os.PathLike[str]) -> None:
    """Write the corpus as token files into the directory, which is created if necessary.

    Raises
    ------
    UserError
        If a split is empty or the directory cannot be written; existing files are then unchanged.
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
    files, place = read_token_files(directory), Path(directory) / "meta.json"
    entries = {key: value for key, value in files.meta.items() if key not in OWN_KEYS}
    meta: _Entries = check_record(entries, _Entries, place, "make it again")
    tokenizer, phrases = meta["tokenizer"], meta["phrases"]
    if tokenizer.vocab_size != files.meta["vocab_size"]:
        raise UserError(
            f"{show_path(place)}: vocab_size must be the tokenizer's {tokenizer.vocab_size}, "
            f"not {describe(files.meta['vocab_size'])}; make it again"
        )
    if phrases == []:
        raise UserError(f"{show_path(place)}: phrases must be null or contain at least one phrase; make it again")
    return Corpus(meta["name"], tokenizer, files.train, files.val, None if phrases is None else tuple(phrases))


def fingerprint(corpus: Corpus) -> str:
    """Return a SHA-256 of both splits and the vocabulary, so that a resumed run can check that its text is the same.

    It does not depend on the integer type of the tokens.
    """
    digest = hashlib.sha256(json.dumps(corpus.tokenizer.to_dict()).encode())
    for tokens in (corpus.train, corpus.val):
        digest.update(len(tokens).to_bytes(8, "little"))
        for start in range(0, len(tokens), _SLICE):
            digest.update(tokens[start : start + _SLICE].astype("<u4").tobytes())
    return digest.hexdigest()


def _is_directory(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:  # a name that is too long, or a parent that may not be read
        return False
