"""``prepare``: write a corpus, or your own text, as a directory of token files that ``train --dataset`` reads."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_texts
from gpt_data.terminal import print_prose
from gpt_data.texts.corpora import CORPORA, load_corpus, open_dataset, prepare
from gpt_data.tokens.text_corpus import prepare_text
from gpt_data.wording import count_of, list_names, quote, show_path, suggest
from numpy_gpt.shared.cli.choices import add_source_flag
from numpy_gpt.shared.cli.parser import number, path, print_record, read_options
from numpy_gpt.shared.cli.program import Command, Program

SCHEMA_VERSION = 1
_TEXT = "text"


class PrepareOptions(NamedTuple):
    """The flags of ``prepare``."""

    corpus: str
    files: list[Path]
    out_dir: Path
    tokens: Literal["characters", "words"] | None
    val_share: float | None
    source: Path | None
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    add = parser.add_argument
    add("corpus", help=f"{', '.join(CORPORA)}, or {_TEXT}: your own text, in UTF-8")
    add("files", type=path, nargs="*", metavar="FILE", help=f"the files of {_TEXT}, which are concatenated")
    add("--out_dir", type=path, required=True, metavar="DIR", help="where to write the token files")
    add("--tokens", choices=("characters", "words"), help=f"how to split {_TEXT} (default: characters)")
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
        "prepare grammar --out_dir grammar-files",
    ),
)


def write_dataset(options: PrepareOptions, program: str) -> int:
    """Write the token files, print a summary, and return the exit status."""
    if options.corpus == _TEXT:
        if options.source:
            raise UserError(f"--source is for the corpus shakespeare; list the files of {_TEXT} after it")
        share = 0.1 if options.val_share is None else options.val_share
        prepare_text(options.files, options.out_dir, kind=options.tokens or "characters", val_share=share)
    else:
        _check_corpus_flags(options)
        prepare(load_corpus(options.corpus, options.source), options.out_dir)
    _note_carriage_returns(options.files)
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


def _note_carriage_returns(files: list[Path]) -> None:
    if count := sum(piece.count("\r") for piece in read_texts(files)):
        kept = f"the text contains {count_of(count, 'carriage return')} (\\r), kept as tokens"
        where = "where they end lines, as in files of Windows or old Macs, convert them to \\n"
        print_prose(f"note: {kept}; {where}", sys.stderr)


def _check_corpus_flags(options: PrepareOptions) -> None:
    if options.corpus not in CORPORA:
        known = [*CORPORA, _TEXT]
        hint = suggest(options.corpus, known) or ";"
        raise UserError(f"unknown corpus {quote(options.corpus)}{hint} known: {list_names(known)}")
    given = {"files": options.files, "--tokens": options.tokens, "--val_share": options.val_share}
    for name, value in given.items():
        if value not in (None, []):
            raise UserError(f"{name} can be chosen only for {_TEXT}; the corpus {quote(options.corpus)} has its own")
