"""From the flags to an engine on its device, alone or as one of torchrun's processes."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist

from gpt_data.errors import UserError
from numpy_gpt.shared.cli.program import InitialState
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup, started_by_torchrun
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.device import choose_device, described, limit_threads, set_tf32
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine, FastOptions
from torch_gpt.fast.fallback import is_out_of_memory, print_note
from torch_gpt.fast.precision import HALF_DTYPES, emulates_half, has_bfloat16
from torch_gpt.fast.process_group import (
    TorchProcessGroup,
    check_divisible,
    is_lost_connection,
    local_device,
    lost_process_error,
    silence_others,
)
from torch_gpt.fast.termination import TerminationWatchdog


def run_on_device(arguments: argparse.Namespace) -> int:
    """Run the command that was chosen, and return its exit status.

    Raises
    ------
    UserError
        If there is no such device, or another process of the job was lost.
    """
    set_tf32(bool(arguments.tf32))
    device = choose_device(arguments.device)  # before any work is done for a device that is not there
    team: ProcessGroup = SINGLE_PROCESS
    if started_by_torchrun():
        if not hasattr(arguments, "resume"):
            raise UserError("torchrun is for training: start other commands by themselves")
        device = local_device(device)
        team = TorchProcessGroup(device)
        silence_others()
    arguments.chosen_device, arguments.team = device, team
    arguments.device_defaults = _defaults(device, arguments)
    run = getattr(arguments, "resume", None) or getattr(arguments, "out_dir", None)
    run = None if run is None else Path(run)
    try:
        alone = team.size == 1 or sys.platform == "win32"  # where signals cannot be heard of by a pipe
        with nullcontext() if alone else TerminationWatchdog(run):
            return int(arguments.command(arguments))
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise UserError(
                f"the memory of {device} does not suffice ({' '.join(str(error).split())[:100]}); "
                "try a smaller --batch_size or model"
            ) from error
        if team.size == 1 or not is_lost_connection(error):
            raise
        raise lost_process_error(error, run) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _defaults(device: torch.device, arguments: argparse.Namespace) -> dict[str, str]:
    """Return what of a recipe suits the device: on cards that have it bfloat16, which twice halves the time."""
    fast = arguments.path in (None, "fast")
    return {"dtype": "bfloat16"} if fast and device.type == "cuda" and has_bfloat16(device) else {}


def engine_for(recipe: Recipe, start: InitialState, arguments: argparse.Namespace) -> tuple[TorchEngine, str]:
    """Return the engine that the flags ask for, and one line that says what computes.

    Raises
    ------
    UserError
        If the device cannot compute in the recipe's dtype, or a batch cannot be dealt out.
    """
    device, team, training = arguments.chosen_device, arguments.team, recipe.training
    choose_device(str(device), training.dtype)
    limit_threads(recipe.model, training.batch_size)
    path = arguments.path or ("explicit" if training.dtype == "float64" and team.size == 1 else "fast")
    _say_what_is_not_used(arguments, path, training.dtype)
    if path != "fast":
        if team.size > 1:
            raise UserError(f"torchrun is for the fast path; leave out --path {path}")
        if training.dtype != training.weights_dtype:
            raise UserError(f"--path {path} computes in float32 or float64, not in {training.dtype}; use --path fast")
        engine = TorchEngine(recipe, start.values, start.moments, str(device), path == "fused", start.trained)
        return engine, described(device, f"{path} operations")
    check_divisible(training, team.size)
    if arguments.peak_tflops is not None and not 0 < arguments.peak_tflops < math.inf:
        raise UserError(f"--peak_tflops must be above 0 and finite, not {arguments.peak_tflops}")
    on_cuda = device.type == "cuda"
    if training.dtype in HALF_DTYPES and emulates_half(device) and team.rank == 0:
        print_note(f"this processor computes {training.dtype} by a long detour; --dtype float32 is many times as fast")
    how = FastOptions(
        compile=on_cuda if arguments.compile is None else arguments.compile,
        graphs=_can_have_graphs(arguments, training.dtype) and arguments.graphs is not False,
        tf32=bool(arguments.tf32),
        fsdp=bool(arguments.fsdp) and team.size > 1,
        peak_flops=None if arguments.peak_tflops is None else arguments.peak_tflops * 1e12,
    )
    fast = FastEngine(
        recipe, start.values, start.moments, str(device), how, team, start.engine_state, trained=start.trained
    )
    made_of = [training.dtype, "compiled"] if how.compile else [training.dtype]
    made_of += ["CUDA graphs"] * how.graphs + [f"{team.size} processes"] * (team.size > 1) + ["sharded"] * how.fsdp
    return fast, described(device, f"fast path ({', '.join(made_of)})")


def _can_have_graphs(arguments: argparse.Namespace, dtype: str) -> bool:
    """Return whether steps can be captured: not where a scaler looks at gradients, or processes talk to each other."""
    return arguments.chosen_device.type == "cuda" and arguments.team.size == 1 and dtype != "float16"


def _say_what_is_not_used(arguments: argparse.Namespace, path: str, dtype: str) -> None:
    if arguments.graphs and not (path == "fast" and _can_have_graphs(arguments, dtype)):
        print_note(
            "--graphs needs a CUDA device, one process, --path fast and another dtype than float16; it is not used"
        )
    if arguments.compile and path != "fast":
        print_note(f"--compile is for --path fast; it is not used with --path {path}")
    if arguments.fsdp and arguments.team.size == 1:
        print_note("--fsdp shares weights out among processes that torchrun has started; alone it is not used")
