"""Heads one after another against all heads at once: ``python -m benchmarks.attention``.

Both are numpy_gpt's attention, the same function of the same weights: ``separate_heads`` computes each head with
matrices of its own, ``attention`` all of them in one product. Forward and backward of both are interleaved, for the
shapes of the presets and in float32.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.attention")

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.child_process import available_cores
from benchmarks.support.command import (
    at_least_one,
    command_parser,
    duration,
    markdown_table,
    thread_count,
    write_report,
)
from benchmarks.support.environment import describe_environment, environment_line, limit_numpy_threads
from benchmarks.support.interleaved import Workload, ratios, time_interleaved
from numpy_gpt.layers.attention import attention_backward, attention_forward
from numpy_gpt.layers.separate_heads import separate_heads_backward, separate_heads_forward
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.training.presets import preset

PRESETS = ("tiny", "words", "minigpt", "grammar", "shakespeare-cpu", "tinygpt")


def workloads(config: GPTConfig, batch: int) -> dict[str, Workload]:
    """Return forward and backward of both forms, for a preset's shapes."""
    rng, width, dtype = np.random.default_rng(0), config.n_embd, np.float32
    x, dout = rng.standard_normal((2, batch, config.block_size, width), dtype)
    c_attn, c_proj = rng.standard_normal((width, 3 * width), dtype), rng.standard_normal((width, width), dtype)
    biases = (np.zeros(3 * width, dtype), np.zeros(width, dtype)) if config.bias else (None, None)
    arguments = (x, c_attn / width**0.5, biases[0], c_proj / width**0.5, biases[1], config.n_head)
    _, cache = attention_forward(*arguments)
    _, separate_cache = separate_heads_forward(*arguments)
    return {
        "forward": Workload(lambda: attention_forward(*arguments)),
        "separate forward": Workload(lambda: separate_heads_forward(*arguments)),
        "backward": Workload(lambda: attention_backward(dout, cache)),
        "separate backward": Workload(lambda: separate_heads_backward(dout, separate_cache)),
    }


def measure(preset_name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the seconds and the ratios of both forms for a preset's shapes."""
    recipe = preset(preset_name)
    config, batch = require_gpt(recipe.model), recipe.training.batch_size
    times = time_interleaved(workloads(config, batch), rounds, seconds)
    for form in ("", "separate "):
        parts = zip(times[f"{form}forward"], times[f"{form}backward"], strict=True)
        times[f"{form}both"] = [forward + backward for forward, backward in parts]
    parts = ("forward", "backward", "both")
    return {
        "preset": preset_name,
        "shape": {"B": batch, "T": config.block_size, "C": config.n_embd, "H": config.n_head},
        "rounds": times,
        "seconds": {name: statistics.median(each) for name, each in times.items()},
        "ratios": {part: ratios(times[f"separate {part}"], times[part])._asdict() for part in parts},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table: the times of both forms, and how much longer separate heads take."""
    header = ("preset", "B, T, C, H", "all at once, forward, backward", "separate heads", "forward", "backward", "both")
    return markdown_table(header, map(_cells, rows))


def _cells(row: dict[str, Any]) -> list[str]:
    shape, seconds = ", ".join(map(str, row["shape"].values())), row["seconds"]
    times = [
        ", ".join(f"{1e3 * seconds[f'{form}{part}']:.3g}" for part in ("forward", "backward")) + " ms"
        for form in ("", "separate ")
    ]
    return [f"`{row['preset']}`", shape, *times, *(f"× {ratio['median']:.2f}" for ratio in row["ratios"].values())]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = command_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--threads", type=thread_count, default=len(available_cores()), help="of NumPy")
    parser.add_argument("--rounds", type=at_least_one, default=15)
    parser.add_argument("--seconds", type=duration, default=0.1, help="of each of the four in each round")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    with limit_numpy_threads(options.threads):
        rows = [measure(name, options.rounds, options.seconds) for name in options.presets]
    environment = describe_environment()
    print(f"{environment_line(environment)}; {options.rounds} rounds, threads: {options.threads}")
    print(f"\n{table(rows)}")
    write_report(options.json, {"environment": environment, "shapes": rows})
    return 0
