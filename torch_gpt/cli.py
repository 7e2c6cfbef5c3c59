"""The command ``torch_gpt``: the shared commands, on a device. PyTorch is imported when a command needs a device."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from gpt_data.errors import UserError
from numpy_gpt.shared.cli.all_commands import program_parser
from numpy_gpt.shared.cli.parser import number, run_command, truth
from numpy_gpt.shared.cli.program import InitialState, Program
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.process_group import started_by_torchrun
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.stopping import StopSignals

_PATHS = ("fast", "fused", "explicit")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser, _ = program_parser(TWIN, "A small GPT in PyTorch.")
    # torchrun terminates all processes when one is lost: the others shall still say why before they end.
    with StopSignals() if started_by_torchrun() else nullcontext():
        return run_command(_with_torch, parser, argv)


def _add_device_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("device")
    group.add_argument(
        "--device", default="auto", help="auto (the first there is of cuda, mps, cpu), cpu, cuda, cuda:N or mps"
    )
    group.add_argument(
        "--path",
        choices=_PATHS,
        help="fast: nothing is waited for; fused: torch's fused operations; explicit: every operation written out; the "
        "last two drop the values that numpy_gpt drops (default: fast, and explicit in float64)",
    )
    for flag, what in (
        ("--compile", "torch.compile the fast path (default: on cuda yes, elsewhere no)"),
        ("--graphs", "replay the fast path's steps as CUDA graphs (default: yes, on cuda)"),
        ("--tf32", "let float32 products keep 10 bits of each factor, on cuda: faster, another function (default: no)"),
        ("--fsdp", "share weights and moments out among torchrun's processes, by FSDP2 (default: no, DDP)"),
    ):
        group.add_argument(flag, type=truth, nargs="?", const=True, metavar="BOOL", help=what)
    group.add_argument(
        "--peak_tflops", type=number, metavar="X", help="what the card can do at most, for MFU (default: by its name)"
    )


def _with_torch(arguments: argparse.Namespace) -> int:
    if "device" not in arguments:
        return int(arguments.command(arguments))
    try:
        from torch_gpt.running import run_on_device
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        message = 'torch_gpt needs PyTorch, which is not installed: pip install "numpy-gpt[torch]"'
        raise UserError(message) from error
    return run_on_device(arguments)


def _engine(recipe: Recipe, start: InitialState, arguments: argparse.Namespace) -> Engine:
    from torch_gpt.running import engine_for

    engine, description = engine_for(recipe, start, arguments)
    if engine.group.rank == 0:
        print(description, file=sys.stderr)
    return engine


TWIN = Program("torch_gpt", "shakespeare", _engine, _add_device_flags)
