"""Whole training steps of numpy_gpt compared with those of PyTorch and JAX: ``python -m benchmarks.training_step``.

A step is the repeated part of training: drawing the batch, forward, backward, clipping and AdamW, in float32. Each
preset and number of threads is a separate process, limited to as many cores, in which all implementations are
interleaved. Ratios are those of the medians over the rounds, and the median of the rounds' ratios. The fraction of the
limit is the step's multiplications and additions per second (``numpy_gpt.shared.training.throughput``) divided by those
of a float32 product of 1024³, NumPy's or torch's, whichever is faster, timed in the same rounds.
"""

from __future__ import annotations

from gpt_data.wording import quote

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.training_step")

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.peers.implementations import IMPLEMENTATIONS, PRODUCT_OPERATIONS, PRODUCTS, benchmark_recipe
from benchmarks.support.child_process import available_cores, run_json
from benchmarks.support.command import at_least_one, command_parser, duration, markdown_table, write_report
from benchmarks.support.environment import describe_environment, environment_line
from benchmarks.support.interleaved import ratios
from gpt_data.errors import UserError
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.training.throughput import operations_per_token

PRESETS = ("tiny", "tiny16", "words", "shakespeare-cpu", "shakespeare")
BASE = "torch eager"
HEADER = (
    "preset", "threads", "implementation", "ms per step", f"time, that of {BASE} = 1", "median of the rounds' ratios",
    "tokens per second", "fraction of the products' limit",
)  # fmt: skip


def measure(preset: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the times of one preset at one number of threads, measured in a separate process.

    Raises
    ------
    UserError
        If the process fails.
    """
    arguments = ["-m", "benchmarks.peers.implementations", preset, str(threads), str(options.rounds)]
    arguments += [str(options.seconds), *options.implementations]
    arguments += ["--source", str(Path(options.source).resolve())] if options.source else []
    return run_json(f"timing {preset!r}", arguments, threads)


def summary(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of each implementation as plain values, or why it could not be measured."""
    recipe, times = benchmark_recipe(result["preset"]), result["times"]
    tokens = recipe.training.batch_size * recipe.model.block_size
    operations = tokens * operations_per_token(recipe.model)
    limit = PRODUCT_OPERATIONS / min(statistics.median(times[name]) for name in PRODUCTS)
    rows: list[dict[str, Any]] = []
    for name in (*(name for name in times if name not in PRODUCTS), *result["absent"]):
        row: dict[str, Any] = {"preset": result["preset"], "threads": result["threads"], "implementation": name}
        row |= {"text": result["text"], "batch_size": recipe.training.batch_size, "limit": limit}
        if name in result["absent"]:
            row["absent"] = result["absent"][name]
        else:
            seconds = statistics.median(times[name])
            row |= {"seconds": seconds, "tokens_per_second": tokens / seconds, "rounds": times[name]}
            row["part_of_limit"] = operations / (seconds * limit)
            if BASE in times:
                both = ratios(times[name], times[BASE])
                row |= {"ratio_of_medians": both.of_medians, "median_of_ratios": both.median}
        rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one implementation's row."""
    recipe = benchmark_recipe(row["preset"])
    preset = f"`{row['preset']}`, batch {recipe.training.batch_size}"
    if row["text"] != recipe.dataset:
        preset += f", {row['text']}"
    first = [preset, str(row["threads"]), row["implementation"]]
    if "absent" in row:
        return [*first, f"not measured: {row['absent']}", *[""] * (len(HEADER) - 4)]
    two = [f"{row[key]:.2f}" if key in row else "" for key in ("ratio_of_medians", "median_of_ratios")]
    return [
        *first, f"{1e3 * row['seconds']:.3f}", *two, f"{row['tokens_per_second']:,.0f}", f"{row['part_of_limit']:.1%}",
    ]  # fmt: skip


def table(results: Iterable[dict[str, Any]]) -> str:
    """Return all results as one Markdown table."""
    return markdown_table(HEADER, [cells(row) for result in results for row in summary(result)])


def thread_counts(text: str) -> list[int]:
    """Return the distinct numbers of threads in a list such as ``1,all``.

    Raises
    ------
    UserError
        If one is neither ``all`` nor a number from 1 to the number of cores.
    """
    most, counts = len(available_cores()), []
    for part in text.split(","):
        count = most if part == "all" else int(part) if part.isascii() and part.isdigit() else 0
        if not 1 <= count <= most:
            raise UserError(f"--threads must be numbers from 1 to {most}, or all, not {quote(part)}; try 1,all")
        counts.append(count)
    return list(dict.fromkeys(counts))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write all numbers to a file if requested."""
    parser = command_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    names = list(IMPLEMENTATIONS)
    parser.add_argument("--implementations", nargs="+", choices=names, default=names)
    parser.add_argument("--threads", default="1,all", help="numbers separated by commas; all is the number of cores")
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--seconds", type=duration, default=0.5, help="of each implementation in each round")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it and GPT_DATA_DIR, random tokens")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    counts = thread_counts(options.threads)
    for name in options.presets:
        benchmark_recipe(name)  # reports an unknown preset before hours are spent on others
    results = [measure(preset, threads, options) for preset in options.presets for threads in counts]
    print(f"{environment_line(describe_environment())}; {options.rounds} rounds of {options.seconds} s each\n")
    print(table(results))
    for result in results:
        times = result["times"]
        limits = (f"{name} {PRODUCT_OPERATIONS / statistics.median(times[name]) / 1e9:.0f}" for name in PRODUCTS)
        print(f"\n`{result['preset']}`, threads: {result['threads']}; GFLOP/s of the products: {', '.join(limits)}")
    rows = [row for result in results for row in summary(result)]
    libraries = {str(result["threads"]): result["libraries"] for result in results}
    write_report(options.json, {"environment": describe_environment(), "libraries": libraries, "rows": rows})
    return 0
