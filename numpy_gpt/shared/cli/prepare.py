"""``prepare``: a corpus, or text of your own, as a directory of token files that ``train --dataset`` takes."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Literal

from gpt_data.errors import UserError
from gpt_data.texts.corpora import CORPORA, load_corpus, open_dataset, prepare
from gpt_data.tokens.text_corpus import prepare_text
from gpt_data.wording import list_names, quote, show_path, suggest
from numpy_gpt.shared.cli.parser import number, print_record
from numpy_gpt.shared.cli.recipe_choice import add_source_flag

SCHEMA_VERSION = 1
_TEXT = "text"


def add_prepare_flags(parser: argparse.ArgumentParser, program: str) -> None:
    """Give the parser what ``prepare`` takes; ``program`` is what its user trains with."""
    parser.add_argument("corpus", help=f"{', '.join(CORPORA)}, or {_TEXT}: your own, in UTF-8")
    parser.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help=f"with {_TEXT}: the files, one after another"
    )
    parser.add_argument("--out_dir", type=Path, required=True, metavar="DIR", help="where to write the token files")
    parser.add_argument("--tokens", choices=("characters", "words"), help=f"of {_TEXT} (default: characters)")
    parser.add_argument(
        "--val_share", type=number, metavar="SHARE", help=f"part of {_TEXT} that is kept for validation (default: 0.1)"
    )
    add_source_flag(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON record in place of the sentence")
    parser.set_defaults(command=lambda arguments: prepare_command(program, arguments))


def prepare_command(program: str, arguments: argparse.Namespace) -> int:
    """Write the token files, say what they hold, and return the exit status."""
    if arguments.corpus == _TEXT:
        kind: Literal["characters", "words"] = arguments.tokens or "characters"
        share = 0.1 if arguments.val_share is None else arguments.val_share
        if arguments.source:
            raise UserError(f"--source is for the corpus shakespeare; give the files of {_TEXT} after it")
        prepare_text(arguments.files, arguments.out_dir, kind=kind, val_share=share)
    else:
        _check_corpus(arguments)
        prepare(load_corpus(arguments.corpus, arguments.source), arguments.out_dir)
    place = str(arguments.out_dir)
    place = f".{os.sep}{place}" if place in CORPORA else place  # which would be the corpus of that name
    corpus = open_dataset(place)
    size, train, val = corpus.tokenizer.vocab_size, len(corpus.train), len(corpus.val)
    if arguments.json:
        record = {"out_dir": str(arguments.out_dir), "vocab_size": size, "train_tokens": train, "val_tokens": val}
        print_record({"schema_version": SCHEMA_VERSION, **record})
    else:
        print(f"{show_path(place)}: {size:,} different tokens, {train:,} for training, {val:,} for validation")
        print(f"train on it: {program} train tiny --dataset {shlex.quote(show_path(place))}")
    return 0


def _check_corpus(arguments: argparse.Namespace) -> None:
    if arguments.corpus not in CORPORA:
        known = [*CORPORA, _TEXT]
        hint = suggest(arguments.corpus, known) or ";"
        raise UserError(f"unknown corpus {quote(arguments.corpus)}{hint} there are: {list_names(known)}")
    for name in ("files", "tokens", "val_share"):
        if getattr(arguments, name) not in (None, []):
            what = "files" if name == "files" else f"--{name}"
            raise UserError(f"{what} can be chosen for {_TEXT} only; the corpus {arguments.corpus!r} has its own")
