"""The command ``numpy_gpt``: the shared commands, and what only this twin does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpt_data.errors import UserError
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.all_commands import add_command, program_parser
from numpy_gpt.shared.cli.parameter_table import weights_page
from numpy_gpt.shared.cli.parser import run_command, whole_number
from numpy_gpt.shared.cli.program import InitialState, Program
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    program = Program("numpy_gpt", "tiny", _engine, _no_flags)
    parser, commands = program_parser(program, "A small GPT in pure NumPy.")
    commands.choices["train"].add_argument(
        "--by_hand",
        type=whole_number,
        nargs="?",
        const=1,
        default=0,
        metavar="STEPS",
        help="print every number of the first steps (1 if no number is given)",
    )

    what = "print all weights of a model on one page"
    parameters = add_command(commands, "numpy_gpt", "parameters", what, ("parameters", "parameters --model runs/tiny"))
    parameters.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="a run directory (default: the model that ships)"
    )
    parameters.set_defaults(command=_parameters)

    what = "train the model that ships again and round its weights to two decimals"
    again = add_command(commands, "numpy_gpt", "rebuild", what, ("rebuild --out_dir rebuilt",))
    again.add_argument("--out_dir", type=Path, required=True, help="where to write it")
    again.set_defaults(command=_rebuild)
    return run_command(lambda arguments: int(arguments.command(arguments)), parser, argv)


def _no_flags(parser: argparse.ArgumentParser) -> None:
    """NumPy computes on the processor, in one way: there is nothing to choose."""


def _engine(recipe: Recipe, start: InitialState, arguments: argparse.Namespace) -> Engine:
    if by_hand := getattr(arguments, "by_hand", 0):
        if by_hand < 0:
            raise UserError(f"--by_hand must be at least 0, not {by_hand}")
        if recipe.training.gradient_accumulation_steps > 1:
            raise UserError("--by_hand shows one batch a step; leave out --gradient_accumulation_steps")
        from numpy_gpt.by_hand import ByHandEngine  # here and below: other commands need not wait for it

        return ByHandEngine(recipe, start.values, start.tokenizer, by_hand, sys.stdout, start.moments, start.trained)
    return NumpyEngine(recipe, start.values, start.moments, start.trained)


def _parameters(arguments: argparse.Namespace) -> int:
    model = load_checkpoint(arguments.model)
    print(weights_page(model.config, model.values, model.tokenizer.vocabulary))
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    from numpy_gpt.rebuild import rebuild

    model = rebuild(arguments.out_dir)
    for name, value in (model.facts or {}).items():
        print(f"{name}: {value}")
    return 0
