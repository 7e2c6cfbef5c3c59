"""Make an engine on its device from the device flags, in a single process or in one of torchrun's."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from numpy_gpt.shared.cli.program import Backend, InitialState
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup, is_torchrun_job
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.device import choose_device, describe_device, limit_threads, set_tf32
from torch_gpt.device_options import DeviceOptions
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
from torch_gpt.fast.rendezvous import check_variables
from torch_gpt.fast.termination import TerminationWatchdog


@contextmanager
def open_backend(options: DeviceOptions, *, trains: bool, run: Path | None) -> Iterator[Backend]:
    """Choose the device and join torchrun's processes, if there are any; leave them when the command ends.

    Raises
    ------
    UserError
        If there is no such device, its memory runs out, or another process of the job was lost.
    """
    set_tf32(bool(options.tf32))
    device = choose_device(options.device)  # fails early if the device does not exist
    group: ProcessGroup = SINGLE_PROCESS
    if is_torchrun_job():
        if not trains:
            raise UserError("torchrun is for training; start other commands without it")
        check_variables()
        device = local_device(device)
        group = TorchProcessGroup(device)
        silence_others()
    try:
        alone = group.size == 1 or sys.platform == "win32"  # on Windows a pipe cannot report signals
        with nullcontext() if alone else TerminationWatchdog(run):
            yield Backend(partial(make_engine, options, device, group, said=set()), _recipe_defaults(options, device))
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise UserError(
                f"{device} is out of memory ({' '.join(str(error).split())[:100]}); try a smaller --batch_size or model"
            ) from error
        if group.size == 1 or not is_lost_connection(error):
            raise
        raise lost_process_error(error, run) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _recipe_defaults(options: DeviceOptions, device: torch.device) -> dict[str, str]:
    """Return bfloat16 for GPUs that support it in hardware, where it halves the time of the fast path."""
    fast = options.path in (None, "fast")
    return {"dtype": "bfloat16"} if fast and device.type == "cuda" and has_bfloat16(device) else {}


def make_engine(
    options: DeviceOptions,
    device: torch.device,
    group: ProcessGroup,
    recipe: Recipe,
    initial: InitialState,
    said: set[str] | None = None,
) -> TorchEngine:
    """Return the engine that the flags choose, and print the device and path to stderr, unless they are ``quiet``.

    A line that was ``said`` before is not printed again.

    Raises
    ------
    UserError
        If the device cannot compute in the recipe's dtype, or a batch cannot be divided among the processes.
    """
    dtype = recipe.training.dtype
    choose_device(str(device), dtype)
    limit_threads(recipe.model, recipe.training.batch_size)
    path = options.path or ("explicit" if dtype == "float64" and group.size == 1 else "fast")
    graphs = device.type == "cuda" and group.size == 1 and dtype != "float16"  # not with a scaler, or communication
    _report_unused_flags(options, path, graphs, group)
    engine: TorchEngine
    if path == "fast":
        engine, operations = _fast_engine(options, device, group, recipe, initial, graphs)
    else:
        engine, operations = _plain_engine(path, device, group, recipe, initial), f"{path} operations"
    line, said = describe_device(device, operations), set() if said is None else said
    if group.rank == 0 and not options.quiet and line not in said:
        print_prose(line, sys.stderr)
        said.add(line)
    return engine


def _plain_engine(
    path: str, device: torch.device, group: ProcessGroup, recipe: Recipe, initial: InitialState
) -> TorchEngine:
    training = recipe.training
    if group.size > 1:
        raise UserError(f"torchrun is for the fast path; leave out --path {path}")
    if training.dtype != training.weights_dtype:
        raise UserError(f"--path {path} computes in float32 or float64, not in {training.dtype}; use --path fast")
    return TorchEngine(recipe, initial.values, initial.moments, str(device), path == "fused", initial.trained)


def _fast_engine(
    options: DeviceOptions,
    device: torch.device,
    group: ProcessGroup,
    recipe: Recipe,
    initial: InitialState,
    graphs: bool,
) -> tuple[FastEngine, str]:
    dtype, peak = recipe.training.dtype, options.peak_tflops
    check_divisible(recipe.training, group.size)
    if peak is not None and not 0 < peak < math.inf:
        raise UserError(f"--peak_tflops must be above 0 and finite, not {peak}")
    if dtype in HALF_DTYPES and emulates_half(device) and group.rank == 0:
        print_note(f"this CPU emulates {dtype}, which is slow; --dtype float32 is many times faster")
    fast = FastOptions(
        compile=device.type == "cuda" if options.compile is None else options.compile,
        graphs=graphs and options.graphs is not False,
        tf32=bool(options.tf32),
        fsdp=bool(options.fsdp) and group.size > 1,
        peak_flops=None if peak is None else peak * 1e12,
    )
    engine = FastEngine(
        recipe,
        initial.values,
        initial.moments,
        str(device),
        fast,
        group,
        initial.engine_state,
        trained=initial.trained,
    )
    features = [dtype, "compiled"] if fast.compile else [dtype]
    features += ["CUDA graphs"] * fast.graphs + [f"{group.size} processes"] * (group.size > 1)
    features += ["sharded"] * fast.fsdp
    return engine, f"fast path ({', '.join(features)})"


def _report_unused_flags(options: DeviceOptions, path: str, graphs: bool, group: ProcessGroup) -> None:
    if options.graphs and not (path == "fast" and graphs):
        print_note(
            "--graphs has no effect: it needs a CUDA device, one process, --path fast and a dtype other than float16"
        )
    if options.compile and path != "fast":
        print_note(f"--compile has no effect: it is for --path fast, not --path {path}")
    if options.fsdp and group.size == 1:
        print_note("--fsdp has no effect: it shards weights among the processes of torchrun, and there is only one")
