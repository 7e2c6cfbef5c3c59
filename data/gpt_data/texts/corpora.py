"""The corpora by name, and corpora kept in directories of token files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpt_data.checks import TokenIds
from gpt_data.errors import UserError
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.token_files import read_token_files, write_token_files
from gpt_data.tokens.tokenizer import Tokenizer, tokenizer_from_dict
from gpt_data.tokens.word_tokenizer import WordTokenizer
from gpt_data.wording import list_names, quote, show_path, suggest


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as tokens, split for training and validation; the arrays are read-only.

    ``phrases`` is the process that made the text, where it is known: phrases drawn uniformly and
    independently, each followed by one space. ``gpt_data.floors.loss_floor`` computes from it the lowest loss that
    any model can reach.
    """

    name: str
    tokenizer: Tokenizer
    train: TokenIds
    val: TokenIds
    phrases: tuple[str, ...] | None = None


def load_corpus(name: str, source: str | os.PathLike[str] | None = None) -> Corpus:
    """Return a corpus by its name; ``source`` is the file of the one corpus that comes from a file, ``shakespeare``.

    Raises
    ------
    UserError
        If there is none of that name (the message lists them and names the nearest), it takes no source, or its text
        cannot be had.
    """
    if name not in CORPORA:
        hint = suggest(name, CORPORA) or ";"
        raise UserError(f"unknown corpus {quote(name)}{hint} there are: {list_names(CORPORA)}")
    if source is None:
        return CORPORA[name]()
    if name != "shakespeare":
        raise UserError(f"a source is for the corpus 'shakespeare' only; {name!r} is made by a program: leave it out")
    return _shakespeare(source)


def open_dataset(dataset: str, source: str | os.PathLike[str] | None = None) -> Corpus:
    """Return the corpus of that name, or else the one in the directory of that name: our token files, or nanoGPT's.

    A corpus goes before a directory of the same name; ``./tiny`` is the directory.

    Raises
    ------
    UserError
        If it is neither, as ``load_corpus`` and ``open_corpus`` do, or a source is given for a directory.
    """
    if dataset in CORPORA:
        return load_corpus(dataset, source)
    directory = Path(dataset)
    if not _is_directory(directory):
        raise UserError(
            f"unknown dataset {quote(dataset)}{suggest(dataset, CORPORA) or ';'} there are the corpora "
            f"{list_names(CORPORA)}, and any directory of token files; "
            "make one by numpy_gpt prepare text FILE --out_dir DIR"
        )
    if source is not None:
        raise UserError(f"a source is for the corpus 'shakespeare' only; {show_path(directory)} holds its own text")
    if os.access(directory / "meta.json", os.F_OK):
        return open_corpus(directory)
    if os.access(directory / "meta.pkl", os.F_OK):
        return _of_nanogpt(directory)
    raise UserError(
        f"{show_path(directory)} must hold token files, and has neither our meta.json nor nanoGPT's meta.pkl; "
        "make them by numpy_gpt prepare text FILE --out_dir DIR"
    )


# The texts are imported where they are used: who loads one corpus need not wait for all, least of all for the network's
# modules.


def _tiny() -> Corpus:
    from gpt_data.texts.tiny import tiny_phrases, tiny_text

    text = tiny_text()
    return _divided("tiny", WordTokenizer.from_text(text), text, 0.8, tiny_phrases())


def _tiny_characters() -> Corpus:
    from gpt_data.texts.tiny import tiny_phrases, tiny_text

    text = tiny_text()
    return _divided("tiny-characters", CharacterTokenizer.from_text(text), text, 0.8, tiny_phrases())


def _words() -> Corpus:
    from gpt_data.texts.words import WORDS, words_text

    text = words_text()
    return _divided("words", CharacterTokenizer.from_text(text), text, 0.8, WORDS)


def _grammar() -> Corpus:
    from gpt_data.texts.grammar import grammar_text

    text = grammar_text()
    return _divided("grammar", WordTokenizer.from_text(text), text, 0.9)


def _shakespeare(source: str | os.PathLike[str] | None = None) -> Corpus:
    from gpt_data.texts.shakespeare import shakespeare_text

    text = shakespeare_text(source)
    return _divided("shakespeare", CharacterTokenizer.from_text(text), text, 0.9)


CORPORA: dict[str, Callable[[], Corpus]] = {
    "tiny": _tiny,
    "tiny-characters": _tiny_characters,
    "words": _words,
    "grammar": _grammar,
    "shakespeare": _shakespeare,
}


def _divided(
    name: str, tokenizer: Tokenizer, text: str, train_share: float, phrases: tuple[str, ...] | None = None
) -> Corpus:
    """Return the text as a corpus: the first part for training, the rest for validation."""
    tokens = tokenizer.encode(text)
    tokens.flags.writeable = False
    cut = int(train_share * len(tokens))
    return Corpus(name, tokenizer, tokens[:cut], tokens[cut:], phrases)


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
    place = show_path(Path(directory) / "meta.json")
    name, phrases = files.meta.get("name"), files.meta.get("phrases")
    if not isinstance(name, str):
        raise UserError(f"{place}: name must be a string, not {name!r:.60}; make it again")
    if phrases is not None and not _are_phrases(phrases):
        raise UserError(f"{place}: phrases must be null or a list of strings, not {phrases!r:.60}; make it again")
    try:
        tokenizer = tokenizer_from_dict(files.meta.get("tokenizer"))
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    if tokenizer.vocab_size != files.meta["vocab_size"]:
        raise UserError(
            f"{place}: vocab_size must be the tokenizer's {tokenizer.vocab_size}, "
            f"not {files.meta['vocab_size']}; make it again"
        )
    return Corpus(name, tokenizer, files.train, files.val, None if phrases is None else tuple(phrases))


def _is_directory(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:  # a name too long, or a place that may not be looked into
        return False


def _of_nanogpt(directory: Path) -> Corpus:
    from gpt_data.tokens.nanogpt import read_nanogpt_directory

    tokenizer, train, val = read_nanogpt_directory(directory)
    return Corpus(directory.resolve().name, tokenizer, train, val)


def _are_phrases(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(phrase, str) for phrase in value)
