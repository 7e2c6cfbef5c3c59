"""The command ``torch_gpt``: the shared commands, on a device. PyTorch is imported when a command needs a device."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.process import exit_on_signals
from numpy_gpt.shared.cli.commands import program_parser
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.cli.program import Backend, Program
from numpy_gpt.shared.training.process_group import is_torchrun_job
from numpy_gpt.shared.training.stopping import StopSignals
from torch_gpt.device_options import add_device_flags, read_device_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser, _ = program_parser(PROGRAM, "A small GPT in PyTorch.")
    # torchrun terminates all processes when one is lost; the others must still report why before they exit.
    with StopSignals() if is_torchrun_job() else nullcontext():
        return run_command(lambda arguments: int(arguments.command(arguments)), parser, argv)


def _open_backend(
    arguments: argparse.Namespace, *, trains: bool = False, run: Path | None = None
) -> AbstractContextManager[Backend]:
    try:
        with exit_on_signals():
            from torch_gpt.running import open_backend
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        message = 'torch_gpt needs PyTorch, which is not installed: pip install "numpy-gpt[torch]"'
        raise UserError(message) from error
    return open_backend(read_device_options(arguments), trains=trains, run=run)


PROGRAM = Program("torch_gpt", "shakespeare", add_device_flags, _open_backend)
