"""The command ``torch_gpt``: the shared commands, on a device. PyTorch is imported when an engine is made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gpt_data.errors import UserError
from numpy_gpt.shared.command_line import run_command, truth
from numpy_gpt.shared.commands.all_commands import program_parser
from numpy_gpt.shared.commands.twin import Start, Twin
from numpy_gpt.shared.engine_protocol import Engine
from numpy_gpt.shared.recipe import Recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser, _ = program_parser(Twin("torch_gpt", "tiny", _engine, _add_device_flags), "A small GPT in PyTorch.")
    return run_command(_with_torch, parser, argv)


def _add_device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", help="auto (the first there is of cuda, mps, cpu), cpu, cuda, cuda:N or mps"
    )
    parser.add_argument(
        "--fused",
        type=truth,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="use torch's fused operations, the same function to rounding (default: on cuda yes, elsewhere no)",
    )


def _with_torch(arguments: argparse.Namespace) -> int:
    if "device" in arguments:  # before any work is done for a device that is not there
        try:
            from torch_gpt import device
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise UserError(
                'torch_gpt needs PyTorch, which is not installed: pip install "numpy-gpt[torch]"'
            ) from error
        device.forbid_tf32()
        device.choose_device(arguments.device)
    return int(arguments.command(arguments))


def _engine(recipe: Recipe, start: Start, arguments: argparse.Namespace) -> Engine:
    from torch_gpt.device import choose_device, described, limit_threads
    from torch_gpt.engine import TorchEngine

    device = choose_device(arguments.device, recipe.training.dtype)
    limit_threads(recipe.model, recipe.training.batch_size)
    fused = device.type == "cuda" if arguments.fused is None else arguments.fused
    print(described(device, fused), file=sys.stderr)
    return TorchEngine(recipe, start.values, start.moments, str(device), fused)
