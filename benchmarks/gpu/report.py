"""The tables that ``benchmarks.cuda`` prints; a result that is a text, and no figures, says why there are none."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.support.conditions import conditions, in_words
from benchmarks.support.interleaved import markdown_table

Results = Mapping[str, dict[str, Any] | str]
_SHOWN = (1, 10, 50, 100, 200)  # steps whose difference is printed; the JSON has all


def card(device: str) -> dict[str, Any]:
    """Return what there is to know about a device, as plain values; what cannot be asked is left out."""
    known: dict[str, Any] = {**conditions(), "device": device, "torch": torch.__version__}
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(torch.device(device))
        known |= {"card": properties.name, "card_memory": properties.total_memory, "cuda": torch.version.cuda}
        known |= {
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
        }
    try:
        import triton
    except ImportError:
        return known
    return known | {"triton": triton.__version__}


def card_in_words(known: dict[str, Any]) -> str:
    """Return the same as one line."""
    if "card" not in known:
        return f"device {known['device']}; {in_words(known)}"
    return (
        f"{known['card']} ({known['card_memory'] / 2**30:.0f} GiB), torch {known['torch']}, CUDA {known['cuda']}, "
        f"Python {platform.python_version()}, {known['date']}"
    )


def speed_table(results: Results) -> str:
    """Return ms a step, tokens a second, MFU and memory of each way."""
    header = ("training", "ms a step", "tokens a second", "MFU", "peak memory, MiB", "first step, s", "notes")
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
    """Return how far each way's losses are from the explicit float32 path's, beside what is allowed."""
    last = max((len(result["apart"]) for result in results.values() if not isinstance(result, str)), default=0)
    steps = sorted({step for step in (*_SHOWN, last) if 0 < step <= last})
    header = (
        "training",
        "holds",
        "worst part of the allowed",
        *(f"apart (allowed) at step {s}" for s in steps),
        "notes",
    )
    rows = []
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, result, *[""] * (len(header) - 2)])
            continue
        apart = [f"{result['apart'][s - 1]:.1e} ({result['allowed'][s - 1]:.1e})" for s in steps]
        worst = f"{result['worst_part']:.2f}, at step {result['worst_step']}"
        rows.append([name, "yes" if result["holds"] else "NO", worst, *apart, "; ".join(result["notes"])])
    return markdown_table(header, rows)


def loss_table(results: Results, target: float) -> str:
    """Return how long training took to the target, and how far it came, by each measure of the validation loss."""
    header = (
        "training", "validation loss", f"seconds to {target}", "steps to it", "first step's part, s", "best loss",
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
    """Return ms a step of ours and of the peer's, in turn, and the ratios."""
    header = ("training", "ms a step", "peer's time over ours, medians", "median of the rounds' ratios", "parameters")
    if isinstance(result, str):
        return markdown_table(header, [["peer", result, "", "", ""]])
    rows = []
    for name, each in result["each"].items():
        two = [f"{each[key]:.2f}" for key in ("of_medians", "median")]
        rows.append([name, f"{1e3 * each['seconds']:.3f}", *two, f"{each['parameters']:,}"])
    return markdown_table(header, rows)


def _share(mfu: float | None) -> str:
    if mfu is None:
        return "no card"
    return "peak unknown" if math.isnan(mfu) else f"{mfu:.1%}"
