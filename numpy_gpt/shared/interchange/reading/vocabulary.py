"""The vocabulary of a foreign model: given by the user, or from files near it, or none: then a text is its ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.texts.corpora import open_dataset
from gpt_data.tokens.bpe_files import read_bpe_directory
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.nanogpt import read_nanogpt_tokenizer
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, show_path
from numpy_gpt.shared.interchange.word_level import read_word_level

META = "meta.pkl"
UNKNOWN = "not known, so a text is token ids separated by spaces; --tokens gives a vocabulary"


class Vocabulary(NamedTuple):
    """A tokenizer, and where it is from."""

    tokenizer: Tokenizer
    source: str


def find_vocabulary(place: Path, given: str | None, vocab_size: int, dataset: str | None = None) -> Vocabulary:
    """Return the vocabulary of a model in ``place``, a directory or a file of one.

    ``given`` is a meta.pkl, a directory with one or with the files of a byte-pair encoding, or a prepared text.
    Otherwise these files are looked for next to the model, and nanoGPT's at data/DATASET next to its directory.

    Raises
    ------
    UserError
        If what is given or found cannot be read, or has more tokens than the model.
    """
    found = _read_given(given) if given else _look_near(_directory_of(place), dataset)
    if found is None:
        return Vocabulary(IdTokenizer(vocab_size), UNKNOWN)
    count = found.tokenizer.vocab_size
    if count > vocab_size:
        raise UserError(
            f"the vocabulary of {found.source} has {count:,} tokens, but the model has {vocab_size:,}; give the "
            "model's own with import --tokens"
        )
    padded = f", and {vocab_size - count:,} rows of the model have no token" if count < vocab_size else ""
    return Vocabulary(found.tokenizer, f"{count_of(count, 'token')} of {found.source}{padded}")


def _directory_of(place: Path) -> Path:
    return place if os.path.isdir(place) else place.parent  # noqa: PTH112 - never raises


def _read_given(given: str) -> Vocabulary:
    place = Path(given)
    if os.path.isdir(place) and (found := _read_directory(place)) is not None:  # noqa: PTH112
        return found
    if os.path.isfile(place):  # noqa: PTH113 - never raises
        if place.suffix == ".pkl":
            return Vocabulary(read_nanogpt_tokenizer(place), show_path(place))
        if (tokenizer := read_bpe_directory(place.parent)) is not None:
            return Vocabulary(tokenizer, show_path(place.parent))
        raise UserError(f"--tokens {show_path(place)} must be a meta.pkl, or give the directory of a vocabulary")
    if not os.path.lexists(place) and (given != place.name or place.suffix):
        raise UserError(f"--tokens {show_path(place)}: there is no such file or directory; check the path")
    return Vocabulary(open_dataset(given).tokenizer, given)


def _read_directory(directory: Path) -> Vocabulary | None:
    tokenizer = read_word_level(directory) or read_bpe_directory(directory)
    if tokenizer is not None:
        return Vocabulary(tokenizer, show_path(directory))
    if os.path.lexists(directory / META):
        return Vocabulary(read_nanogpt_tokenizer(directory / META), show_path(directory / META))
    return None


def _look_near(directory: Path, dataset: str | None) -> Vocabulary | None:
    found = _read_directory(directory)
    if found is None and dataset and Path(dataset).name == dataset:  # a name, not a path to anywhere
        for place in (directory, directory.absolute().parent):  # that of `export`, and nanoGPT's
            meta = place / "data" / dataset / META
            if os.path.isfile(meta):  # noqa: PTH113 - never raises
                return Vocabulary(read_nanogpt_tokenizer(meta), show_path(meta))
    return found
