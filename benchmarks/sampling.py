"""Tokens per second while sampling, and the cost of a token late in the context: ``python -m benchmarks.sampling``.

Four implementations are interleaved, with one sequence each and a KV cache: numpy_gpt, the same without replay,
torch_gpt, and idiomatic PyTorch. The first table is for whole contexts, from a prompt of one token until the context is
full; the second for single tokens at two positions of the context, with and without the cache. The weights are the
initial ones: the speed does not depend on them. With ``--shape gpt2``, it compares a model of GPT-2's size with Hugging
Face's instead: the time from the start of a process to its first token, and tokens per second after it.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.sampling")

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import gpt2_sampling
from benchmarks.peers.torch_model import idiomatic_gpt, idiomatic_tokens, idiomatic_tokens_uncached
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
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.randomness import sampling_uniforms
from torch_gpt.engine import TorchEngine

PRESETS = ("tiny", "shakespeare-cpu", "shakespeare")
EARLY, LATE = 8, 250
_TOKENS = 6  # timed at each position
_WARM_UP = 4  # contexts, in which numpy_gpt writes its tapes
_BASE = "torch idiomatic"

Sampler = Callable[[list[int], int, bool], Iterator[Any]]
"""Prompt, number of tokens, and whether to use the KV cache → the tokens, one by one."""


def samplers(name: str) -> tuple[GPTConfig, dict[str, Sampler]]:
    """Return a preset's config, and the implementations with the same weights."""
    recipe = preset(name).override({"dtype": "float32"})
    values = initial_values(recipe.model, recipe.training.seed)
    config = require_gpt(recipe.model)
    model = idiomatic_gpt(config, values)

    def idiomatic(prompt: list[int], count: int, cache: bool) -> Iterator[Any]:
        return (idiomatic_tokens if cache else idiomatic_tokens_uncached)(model, prompt, count)

    def sampler_of(engine: NumpyEngine | TorchEngine) -> Sampler:
        return lambda prompt, count, cache: engine.draws(prompt, sampling_uniforms(1, count), cache=cache)

    ours = {
        "numpy_gpt": sampler_of(NumpyEngine(recipe, values, replay=True)),
        "numpy_gpt plain": sampler_of(NumpyEngine(recipe, values, replay=False)),
        "torch_gpt": sampler_of(TorchEngine(recipe, values, fused=True)),
    }
    return config, {**ours, _BASE: idiomatic}


def whole_contexts(preset_name: str, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return the speed of each implementation for a whole context."""
    config, implementations = samplers(preset_name)
    tokens = config.block_size  # the last is drawn when the context is full, so the window never slides

    def workload(sampler: Sampler) -> Workload:
        return Workload(lambda: list(sampler([0], tokens, True)))

    for sampler in implementations.values():
        for _ in range(_WARM_UP):
            list(sampler([0], tokens, True))
    times = time_interleaved({name: workload(sampler) for name, sampler in implementations.items()}, rounds, seconds)
    rows = []
    for implementation, each in times.items():
        row: dict[str, Any] = {"preset": preset_name, "implementation": implementation, "rounds": each}
        rows.append(
            row | {"tokens_per_second": tokens / statistics.median(each), **ratios(each, times[_BASE])._asdict()}
        )
    return rows


def seconds_at(sampler: Sampler, position: int, cache: bool) -> float:
    """Return the median seconds of a token with about ``position`` tokens before it."""
    tokens = sampler([0] * (position - _TOKENS // 2), _TOKENS + 1, cache)
    next(tokens)  # reads the prompt
    times = []
    for _ in range(_TOKENS):
        start = time.perf_counter()
        next(tokens)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def by_position(preset_name: str, rounds: int) -> list[dict[str, Any]]:
    """Return the cost of a token early and late in the context, with and without the cache, each once per round."""
    config, implementations = samplers(preset_name)
    late = min(LATE, config.block_size - _TOKENS)
    points = [(position, cache) for position in (min(EARLY, late), late) for cache in (True, False)]
    for sampler in implementations.values():
        seconds_at(sampler, late, True)  # warms up
    times: dict[str, list[list[float]]] = {name: [] for name in implementations}
    for _ in range(rounds):
        for name, sampler in implementations.items():
            times[name].append([seconds_at(sampler, position, cache) for position, cache in points])
    rows = []
    for name, each in times.items():
        early, early_uncached, late_one, late_uncached = (
            statistics.median(column) for column in zip(*each, strict=True)
        )
        row: dict[str, Any] = {"preset": preset_name, "implementation": name, "early": points[0][0], "late": late}
        row |= {"early_seconds": early, "late_seconds": late_one}
        row["late_over_early"] = statistics.median(line[2] / line[0] for line in each)
        row |= {
            "uncached_over_cached_early": early_uncached / early,
            "uncached_over_cached_late": late_uncached / late_one,
        }
        rows.append(row)
    return rows


def tables(speeds: list[dict[str, Any]], positions: list[dict[str, Any]]) -> str:
    """Return both tables."""
    first = markdown_table(
        ("preset", "implementation", "tokens per second", f"time, that of {_BASE} = 1", "median of the rounds' ratios"),
        map(_speed_cells, speeds),
    )
    early, late = positions[0]["early"], positions[0]["late"]
    header = ("preset", "implementation", f"ms at {early} tokens", f"ms at {late}", "ratio")
    second = markdown_table((*header, f"without the cache, at {early}", f"at {late}"), map(_position_cells, positions))
    return f"{first}\n\n{second}"


def _speed_cells(row: dict[str, Any]) -> list[str]:
    speed = f"{row['tokens_per_second']:,.0f}"
    return [f"`{row['preset']}`", row["implementation"], speed, f"{row['of_medians']:.2f}", f"{row['median']:.2f}"]


def _position_cells(row: dict[str, Any]) -> list[str]:
    times = [f"{1e3 * row[key]:.3f}" for key in ("early_seconds", "late_seconds")]
    uncached = [f"× {row[key]:.1f}" for key in ("uncached_over_cached_early", "uncached_over_cached_late")]
    return [f"`{row['preset']}`", row["implementation"], *times, f"{row['late_over_early']:.2f}", *uncached]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print both tables."""
    parser = command_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--position_preset", default="shakespeare", help="the preset of the second table")
    parser.add_argument("--threads", type=thread_count, default=len(available_cores()), help="of NumPy and torch")
    what = "compare a model of this size with Hugging Face's, instead of the presets; small is a trial"
    parser.add_argument("--shape", choices=gpt2_sampling.SIZES, help=what)
    parser.add_argument(
        "--prompt", type=at_least_one, default=64, help="tokens of the prompt with --shape (default: 64)"
    )
    parser.add_argument("--tokens", type=at_least_one, default=32, help="tokens drawn after the first (default: 32)")
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--seconds", type=duration, default=0.5, help="of each implementation in each round")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return run_command(_run, parser, arguments)


def _run_shape(options: argparse.Namespace) -> int:
    sizes = options.prompt, options.tokens
    rows = gpt2_sampling.measure(options.shape, *sizes, options.rounds, options.threads)
    environment = describe_environment()
    print(f"{environment_line(environment)}; {options.rounds} rounds, threads: {options.threads}")
    print(f"prompt of {sizes[0]} tokens, {sizes[1]} tokens after the first\n\n{gpt2_sampling.table(rows)}")
    write_report(options.json, {"environment": environment, "shape": options.shape, "rows": rows})
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.shape is not None:
        return _run_shape(options)
    torch.set_num_threads(options.threads)
    with limit_numpy_threads(options.threads):
        speeds = [row for name in options.presets for row in whole_contexts(name, options.rounds, options.seconds)]
        positions = by_position(options.position_preset, options.rounds)
    environment = describe_environment()
    print(f"{environment_line(environment)}; {options.rounds} rounds, threads: {options.threads}")
    print(f"\n{tables(speeds, positions)}")
    write_report(options.json, {"environment": environment, "contexts": speeds, "positions": positions})
    return 0
