"""The command ``numpy_gpt``: train a model, look at its weights, make the model that ships again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpt_data.corpora import Corpus
from numpy_gpt.by_hand import ByHandEngine
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.rebuild import rebuild
from numpy_gpt.shared.checkpoint import SHIPPED_MODEL, load_checkpoint
from numpy_gpt.shared.command_line import EXIT_STATUS, Parser, run_command, whole_number
from numpy_gpt.shared.parameter_table import weights_page
from numpy_gpt.shared.presets import Recipe
from numpy_gpt.shared.train_command import Start, add_train_flags, train_command
from numpy_gpt.shared.trainer import Engine

_EXAMPLES = """examples:
  numpy_gpt train tiny
  numpy_gpt train tiny16 --dtype float64 --seed 1 --out_dir runs/mine
  numpy_gpt train tiny --n_embd 16 --max-iters=500 --json
  numpy_gpt train --resume runs/tiny
  numpy_gpt parameters --model runs/tiny
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = Parser(prog="numpy_gpt", description="A small GPT in pure NumPy.", epilog=f"{_EXAMPLES}\n{EXIT_STATUS}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    train = commands.add_parser("train", help="train a model", epilog=EXIT_STATUS)
    add_train_flags(train, default_preset="tiny")
    train.add_argument(
        "--by_hand",
        type=whole_number,
        nargs="?",
        const=1,
        default=0,
        metavar="STEPS",
        help="print every number of the first steps (1 if no number is given)",
    )
    train.set_defaults(command=lambda arguments: train_command(arguments, _engine))

    parameters = commands.add_parser("parameters", help="print all weights of a model on one page")
    parameters.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="a run directory (default: the model that ships)"
    )
    parameters.set_defaults(command=_parameters)

    again = commands.add_parser(
        "rebuild", help="train the model that ships again and round its weights to two decimals"
    )
    again.add_argument("--out_dir", type=Path, required=True, help="where to write it")
    again.set_defaults(command=_rebuild)
    return run_command(lambda arguments: int(arguments.command(arguments)), parser, argv)


def _engine(recipe: Recipe, start: Start, corpus: Corpus, arguments: argparse.Namespace) -> Engine:
    if arguments.by_hand:
        return ByHandEngine(recipe, start.values, corpus.tokenizer, arguments.by_hand, sys.stdout, start.moments)
    return NumpyEngine(recipe, start.values, start.moments)


def _parameters(arguments: argparse.Namespace) -> int:
    model = load_checkpoint(arguments.model)
    print(weights_page(model.config, model.values, model.tokenizer.vocabulary))
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    model = rebuild(arguments.out_dir)
    for name, value in (model.facts or {}).items():
        print(f"{name}: {value}")
    return 0
