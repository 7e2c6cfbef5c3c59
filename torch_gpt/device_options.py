"""The flags of ``torch_gpt`` that choose the device and how it computes; PyTorch is not imported here."""

from __future__ import annotations

import argparse
from typing import Literal, NamedTuple, get_args

from numpy_gpt.shared.cli.parser import boolean, number, read_options

OperationPath = Literal["fast", "fused", "explicit"]


class DeviceOptions(NamedTuple):
    """The device, the path, and the features that the fast path may use; None means the device's default.

    If ``quiet``, no line on stderr says which device and path were chosen.
    """

    device: str = "auto"
    path: OperationPath | None = None
    compile: bool | None = None
    graphs: bool | None = None
    tf32: bool | None = None
    fsdp: bool | None = None
    peak_tflops: float | None = None
    quiet: bool = False


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``DeviceOptions``."""
    group = parser.add_argument_group("device")
    what = "auto (the first available of cuda, mps, cpu), cpu, cuda, cuda:N or mps"
    group.add_argument("--device", default="auto", help=what)
    group.add_argument(
        "--path",
        choices=get_args(OperationPath),
        help="fast: never blocks on the device; fused: torch's fused operations; explicit: every operation in full. "
        "Dropout in the last two drops the same values as in numpy_gpt (default: fast, but explicit in float64)",
    )
    for flag, what in (
        ("--compile", "torch.compile the fast path (default: on CUDA only)"),
        ("--graphs", "replay the fast path's steps as CUDA graphs (default: on CUDA only)"),
        (
            "--tf32",
            "let float32 products on CUDA use TF32, which keeps 10 bits of each factor: faster, less exact "
            "(default: no)",
        ),
        ("--fsdp", "shard weights and moments among torchrun's processes with FSDP2 (default: no, DDP)"),
    ):
        group.add_argument(flag, type=boolean, nargs="?", const=True, metavar="BOOL", help=what)
    what = "the GPU's peak throughput in TFLOPS, for MFU (default: looked up by its name)"
    group.add_argument("--peak_tflops", type=number, metavar="X", help=what)


def read_device_options(arguments: argparse.Namespace) -> DeviceOptions:
    """Return what the flags of ``add_device_flags`` choose."""
    return read_options(DeviceOptions, arguments, quiet=False)
