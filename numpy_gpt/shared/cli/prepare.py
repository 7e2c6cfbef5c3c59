"""``prepare``: write a corpus, or your own text, as a directory of token files that ``train --dataset`` reads."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from gpt_data.texts.corpora import CORPORA, load_corpus, open_dataset, prepare
from gpt_data.tokens.bpe_files import read_bpe_directory
from gpt_data.tokens.text_corpus import TEXT_KINDS, prepare_text
from gpt_data.wording import list_names, quote, show_path, suggest
from numpy_gpt.shared.cli.choices import add_source_flag
from numpy_gpt.shared.cli.parser import number, path, print_record, read_options, whole_number
from numpy_gpt.shared.cli.program import Command, Program

SCHEMA_VERSION = 1
_TEXT = "text"


class PrepareOptions(NamedTuple):
    """The flags of ``prepare``."""

    corpus: str
    files: list[Path]
    out_dir: Path
    tokens: Literal["characters", "words", "bpe"] | None
    vocab_size: int | None
    tokenizer: Path | None
    val_share: float | None
    source: Path | None
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    add = parser.add_argument
    add("corpus", help=f"{', '.join(CORPORA)}, or {_TEXT}: your own text, in UTF-8")
    add("files", type=path, nargs="*", metavar="FILE", help=f"the files of {_TEXT}, which are concatenated")
    add("--out_dir", type=path, required=True, metavar="DIR", help="where to write the token files")
    add("--tokens", choices=TEXT_KINDS, help=f"how to split {_TEXT} (default: characters); bpe needs the extra `bpe`")
    what = "learn a byte-pair vocabulary of N tokens from the training part of the text"
    add("--vocab_size", type=whole_number, metavar="N", help=what)
    what = "use the byte-pair vocabulary in this directory: tokenizer.json, or vocab.json and merges.txt"
    add("--tokenizer", type=path, metavar="DIR", help=what)
    what = f"share of {_TEXT} kept for validation (default: 0.1)"
    add("--val_share", type=number, metavar="SHARE", help=what)
    add_source_flag(parser)
    add("--json", action="store_true", help="print one JSON record instead of the summary")
    parser.set_defaults(command=lambda arguments: write_dataset(read_options(PrepareOptions, arguments), program.name))


PREPARE = Command(
    "prepare",
    "write a text as token files",
    _add_flags,
    (
        "prepare text input.txt --out_dir my-text --val_share 0.2",
        "prepare text input.txt --tokens words --out_dir my-words",
        "prepare text input.txt --tokens bpe --vocab_size 260 --out_dir my-byte-pairs",
        "prepare grammar --out_dir grammar-files",
    ),
)


def write_dataset(options: PrepareOptions, program: str) -> int:
    """Write the token files, print a summary, and return the exit status."""
    if options.corpus == _TEXT:
        if options.source:
            raise UserError(f"--source is for the corpus shakespeare; list the files of {_TEXT} after it")
        share = 0.1 if options.val_share is None else options.val_share
        kind = options.tokens or "characters"
        prepare_text(options.files, options.out_dir, kind=kind, val_share=share, **_byte_pair_choice(options))
    else:
        _check_corpus_flags(options)
        prepare(load_corpus(options.corpus, options.source), options.out_dir)
    place = str(options.out_dir)
    place = f".{os.sep}{place}" if place in CORPORA else place  # a bare name would mean the corpus
    corpus = open_dataset(place)
    size, train, val = corpus.tokenizer.vocab_size, len(corpus.train), len(corpus.val)
    if options.json:
        record = {"out_dir": str(options.out_dir), "vocab_size": size, "train_tokens": train, "val_tokens": val}
        print_record({"schema_version": SCHEMA_VERSION, **record})
    else:
        print_prose(f"{show_path(place)}: {size:,} different tokens, {train:,} for training, {val:,} for validation")
        print(f"train on it: {program} train tiny --dataset {shlex.quote(show_path(place))}")
    return 0


def _byte_pair_choice(options: PrepareOptions) -> dict[str, Any]:
    """Return the arguments of ``prepare_text`` that say which byte-pair vocabulary to use or to learn."""
    given = {"--vocab_size": options.vocab_size, "--tokenizer": options.tokenizer}
    chosen = [name for name, value in given.items() if value is not None]
    if options.tokens != "bpe" and chosen:
        raise UserError(f"{chosen[0]} is for byte-pair tokens; add --tokens bpe")
    if options.tokens == "bpe" and len(chosen) != 1:
        raise UserError(
            "--tokens bpe needs either --vocab_size N, such as 512, to learn a vocabulary from the text, or "
            "--tokenizer DIR, a directory with tokenizer.json, or with vocab.json and merges.txt"
        )
    tokenizer = None
    if options.tokenizer is not None and (tokenizer := read_bpe_directory(options.tokenizer)) is None:
        raise UserError(
            f"--tokenizer: {show_path(options.tokenizer)} must have tokenizer.json, or vocab.json and merges.txt, and "
            "has neither"
        )
    return {"vocab_size": options.vocab_size, "tokenizer": tokenizer}


def _check_corpus_flags(options: PrepareOptions) -> None:
    if options.corpus not in CORPORA:
        known = [*CORPORA, _TEXT]
        hint = suggest(options.corpus, known) or ";"
        raise UserError(f"unknown corpus {quote(options.corpus)}{hint} known: {list_names(known)}")
    given: dict[str, Any] = {"files": options.files, "--tokens": options.tokens, "--val_share": options.val_share}
    given |= {"--vocab_size": options.vocab_size, "--tokenizer": options.tokenizer}
    for name, value in given.items():
        if value not in (None, []):
            raise UserError(f"{name} can be chosen only for {_TEXT}; the corpus {quote(options.corpus)} has its own")
