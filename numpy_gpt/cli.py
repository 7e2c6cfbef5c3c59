"""The command ``numpy_gpt``: the shared commands, computed with NumPy, and the commands that only this program has."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.files.streams import finish_without_output
from numpy_gpt.by_hand.choice import ByHand, read_by_hand
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.golden.cli import GOLDEN
from numpy_gpt.shared.cli.commands import add_command, program_parser
from numpy_gpt.shared.cli.parameters import PARAMETERS
from numpy_gpt.shared.cli.parser import boolean, path, run_command
from numpy_gpt.shared.cli.program import Backend, Command, InitialState, Program
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser, commands = program_parser(PROGRAM, "A small GPT in pure NumPy.")
    what = "show what the first steps compute, as a page each (default: one step); full or full:STEPS: every number"
    commands.choices["train"].add_argument(
        "--by_hand", type=read_by_hand, nargs="?", const=ByHand(1), metavar="STEPS", help=what
    )
    add_command(commands, PROGRAM, PARAMETERS)
    add_command(commands, PROGRAM, REBUILD)
    add_command(commands, PROGRAM, GOLDEN)
    return run_command(lambda arguments: int(arguments.command(arguments)), parser, argv)


def _add_engine_flags(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(by_hand=ByHand(0))  # only `train` has the flag
    what = (
        "write a step's calls down once and replay them: the same numbers, sooner (default: NUMPY_GPT_REPLAY, or true)"
    )
    parser.add_argument("--replay", type=boolean, nargs="?", const=True, metavar="BOOL", help=what)


@contextmanager
def _open_backend(arguments: argparse.Namespace, *, trains: bool = False, run: Path | None = None) -> Iterator[Backend]:
    # A result that overflows is inf or NaN, and the commands report that in one line; NumPy would also warn.
    with np.errstate(all="ignore"):
        yield Backend(partial(_make_engine, by_hand=arguments.by_hand, replay=arguments.replay))


def _make_engine(recipe: Recipe, initial: InitialState, by_hand: ByHand, replay: bool | None) -> Engine:
    if by_hand.steps == 0:
        return NumpyEngine(recipe, initial.values, initial.moments, initial.trained, replay)
    if recipe.training.gradient_accumulation_steps > 1:
        raise UserError("--by_hand shows one batch a step; leave out --gradient_accumulation_steps")
    from numpy_gpt.by_hand.engine import ByHandEngine  # imported here, and below, so that other commands start faster

    return ByHandEngine(recipe, initial, by_hand, replay)


PROGRAM = Program("numpy_gpt", "tiny", _add_engine_flags, _open_backend)


def _add_rebuild_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    parser.add_argument("--out_dir", type=path, required=True, help="where to write it")
    parser.set_defaults(command=lambda arguments: _rebuild(arguments.out_dir))


REBUILD = Command(
    "rebuild",
    "retrain the model that ships and round its weights to two decimals",
    _add_rebuild_flags,
    ("rebuild --out_dir rebuilt",),
)


@finish_without_output()
def _rebuild(out_dir: Path) -> int:
    from numpy_gpt.rebuild import rebuild

    model = rebuild(out_dir)
    for name, value in (model.facts or {}).items():
        print(f"{name}: {value}")
    return 0
