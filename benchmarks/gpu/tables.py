"""The tables of ``benchmarks.cuda`` and the line about the GPU; a text as a result explains missing figures."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.support.command import markdown_table
from benchmarks.support.environment import describe_environment, environment_line

Results = Mapping[str, dict[str, Any] | str]
_PRINTED_STEPS = (1, 10, 50, 100, 200)  # the JSON has all steps


def describe_device(device: str) -> dict[str, Any]:
    """Return the environment and the properties of a device as plain values, as far as they are known."""
    known: dict[str, Any] = {**describe_environment(), "device": device, "torch": torch.__version__}
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(torch.device(device))
        known |= {"gpu": properties.name, "gpu_memory": properties.total_memory, "cuda": torch.version.cuda}
        known |= {
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
        }
    try:
        import triton
    except ImportError:
        return known
    return known | {"triton": triton.__version__}


def device_line(known: dict[str, Any]) -> str:
    """Return the description of a device as one line."""
    if "gpu" not in known:
        return f"device {known['device']}; {environment_line(known)}"
    return (
        f"{known['gpu']} ({known['gpu_memory'] / 2**30:.0f} GiB), torch {known['torch']}, CUDA {known['cuda']}, "
        f"Python {platform.python_version()}, {known['date']}"
    )


def speed_table(results: Results) -> str:
    """Return the table of ms per step, tokens per second, MFU and memory of each mode."""
    header = ("training", "ms per step", "tokens per second", "MFU", "peak memory, MiB", "first step, s", "notes")
    rows = []
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, result, *[""] * 5])
            continue
        memory = "" if result["peak_memory"] is None else f"{result['peak_memory'] / 2**20:,.0f}"
        figures = [
            f"{1e3 * result['seconds']:.3f}",
            f"{result['tokens_per_second']:,.0f}",
            _share(result["mfu"]),
            memory,
        ]
        rows.append([name, *figures, f"{result['first_seconds']:.1f}", "; ".join(result["notes"])])
    return markdown_table(header, rows)


def divergence_table(results: Results) -> str:
    """Return the table of the differences of each mode's losses from the explicit float32 path's, and their bounds."""
    last = max((len(result["differences"]) for result in results.values() if not isinstance(result, str)), default=0)
    steps = sorted({step for step in (*_PRINTED_STEPS, last) if 0 < step <= last})
    header = (
        "training",
        "holds",
        "largest fraction of the bound",
        *(f"difference (bound) at step {s}" for s in steps),
        "notes",
    )
    rows = []
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, result, *[""] * (len(header) - 2)])
            continue
        differences = [f"{result['differences'][s - 1]:.1e} ({result['bounds'][s - 1]:.1e})" for s in steps]
        worst = f"{result['worst_fraction']:.2f}, at step {result['worst_step']}"
        rows.append([name, "yes" if result["holds"] else "NO", worst, *differences, "; ".join(result["notes"])])
    return markdown_table(header, rows)


def loss_table(results: Results, target: float) -> str:
    """Return the table of the time to the target and of the best loss, by each measure of the validation loss."""
    header = (
        "training", "validation loss", f"seconds to {target}", "steps to it", "in the first step, s", "best loss",
        "at step", "steps in all", "seconds in all", "notes",
    )  # fmt: skip
    rows = []
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, "", result, *[""] * 7])
            continue
        whole = (f"{result['steps']:,}", f"{result['seconds']:.1f}", "; ".join(result["notes"]))
        for measure, found in result["measures"].items():
            reached = found["reached_step"] is not None
            ends = (f"{found['reached_seconds']:.1f}", f"{found['reached_step']:,}") if reached else ("not reached", "")
            best = (f"{found['best_loss']:.4f}", f"{found['best_step']:,}")
            rows.append([name, measure, *ends, f"{result['first_seconds']:.1f}", *best, *whole])
    return markdown_table(header, rows)


def peer_table(result: dict[str, Any] | str) -> str:
    """Return the table of ms per step of ours and of nanoGPT's, and their ratios."""
    header = ("training", "ms per step", "time, ours = 1, of the medians", "median of the rounds' ratios", "parameters")
    if isinstance(result, str):
        return markdown_table(header, [["peer", result, "", "", ""]])
    rows = []
    for name, each in result["each"].items():
        two = [f"{each[key]:.2f}" for key in ("of_medians", "median")]
        rows.append([name, f"{1e3 * each['seconds']:.3f}", *two, f"{each['parameters']:,}"])
    return markdown_table(header, rows)


def _share(mfu: float | None) -> str:
    if mfu is None:
        return "no GPU"
    return "peak unknown" if math.isnan(mfu) else f"{mfu:.1%}"
