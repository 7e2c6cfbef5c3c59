"""The command ``torch_gpt``: train a model. PyTorch is imported only when training starts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gpt_data.corpora import Corpus
from gpt_data.errors import UserError
from numpy_gpt.shared.command_line import EXIT_STATUS, Parser, run_command, truth
from numpy_gpt.shared.presets import Recipe
from numpy_gpt.shared.train_command import Start, add_train_flags, train_command
from numpy_gpt.shared.trainer import Engine

_EXAMPLES = """examples:
  torch_gpt train tiny
  torch_gpt train tiny --device cpu --dtype float64    prints what numpy_gpt train tiny --dtype float64 prints
  torch_gpt train tiny16 --device cuda --seed 1 --out_dir runs/mine
  torch_gpt train --resume runs/tiny
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = Parser(prog="torch_gpt", description="A small GPT in PyTorch.", epilog=f"{_EXAMPLES}\n{EXIT_STATUS}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    train = commands.add_parser("train", help="train a model", epilog=EXIT_STATUS)
    add_train_flags(train, default_preset="tiny")
    train.add_argument(
        "--device", default="auto", help="auto (the first there is of cuda, mps, cpu), cpu, cuda, cuda:N or mps"
    )
    train.add_argument(
        "--fused",
        type=truth,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="use torch's fused operations, the same function to rounding (default: on cuda yes, elsewhere no)",
    )
    train.set_defaults(command=_train)
    return run_command(lambda arguments: int(arguments.command(arguments)), parser, argv)


def _train(arguments: argparse.Namespace) -> int:
    try:
        from torch_gpt import device
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError('torch_gpt needs PyTorch, which is not installed: pip install "numpy-gpt[torch]"') from error
    device.forbid_tf32()
    device.choose_device(arguments.device)  # before any work is done for a device that is not there
    return train_command(arguments, _engine)


def _engine(recipe: Recipe, start: Start, corpus: Corpus, arguments: argparse.Namespace) -> Engine:
    from torch_gpt.device import choose_device, described, limit_threads
    from torch_gpt.engine import TorchEngine

    device = choose_device(arguments.device, recipe.training.dtype)
    limit_threads(recipe.model, recipe.training.batch_size)
    fused = device.type == "cuda" if arguments.fused is None else arguments.fused
    print(described(device, fused), file=sys.stderr)
    return TorchEngine(recipe, start.values, start.moments, str(device), fused)
