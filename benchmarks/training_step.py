"""Whole training steps of numpy_gpt beside those of PyTorch and JAX: ``python -m benchmarks.training_step``.

A step is all that training does again and again: drawing the batch, forward, backward, clipping and AdamW, in float32.
Each preset and number of threads is a process of its own, held to as many cores, in which all take turns; a ratio is
that of the medians over the rounds, or the median of the rounds' ratios. Beside the time stands which part of what the
processor does at most the step reaches: its multiplications and additions (``numpy_gpt.shared.training.throughput``) a
second, over those of a float32 product of 1024³, NumPy's or torch's, whichever is faster, timed in the same turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import CONTESTANTS, PRODUCT_OPERATIONS, PRODUCTS, timed_recipe
from benchmarks.support.command import command_parser, errors_in_one_line, write_report
from benchmarks.support.conditions import ROOT, conditions, cores, in_words, on_cores
from benchmarks.support.interleaved import at_least_one, markdown_table, ratios
from gpt_data.errors import UserError
from numpy_gpt.shared.training.throughput import operations_per_token

PRESETS = ("tiny", "tiny16", "words", "shakespeare-cpu", "shakespeare")
BASE = "torch eager"
HEADER = (
    "preset", "threads", "who", "ms a step", f"time, that of {BASE} = 1", "median of the rounds' ratios",
    "tokens a second", "part of the products' limit",
)  # fmt: skip


def found(preset: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the process of one preset at a number of threads found.

    Raises
    ------
    UserError
        If it ended with an error.
    """
    command = [sys.executable, "-m", "benchmarks.peers.contestants", preset, str(threads), str(options.rounds)]
    command += [str(options.seconds), *options.contestants]
    command += ["--source", str(Path(options.source).resolve())] if options.source else []
    with on_cores(threads) as environment:
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"timing {preset!r} must end well, and ended with status {process.returncode}: {last:.300}")
    result: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return result


def summary(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is to be said of each contestant, as plain values; of one that could not take part, why."""
    recipe, times = timed_recipe(result["preset"]), result["times"]
    tokens = recipe.training.batch_size * recipe.model.block_size
    operations = tokens * operations_per_token(recipe.model)
    limit = PRODUCT_OPERATIONS / min(statistics.median(times[name]) for name in PRODUCTS)
    rows: list[dict[str, Any]] = []
    for name in (*(name for name in times if name not in PRODUCTS), *result["absent"]):
        row: dict[str, Any] = {"preset": result["preset"], "threads": result["threads"], "who": name}
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
    """Return the cells of one contestant's line."""
    recipe = timed_recipe(row["preset"])
    preset = f"`{row['preset']}`, batch {recipe.training.batch_size}"
    if row["text"] != recipe.dataset:
        preset += f", {row['text']}"
    first = [preset, str(row["threads"]), row["who"]]
    if "absent" in row:
        return [*first, f"not measured: {row['absent']}", *[""] * (len(HEADER) - 4)]
    two = [f"{row[key]:.2f}" if key in row else "" for key in ("ratio_of_medians", "median_of_ratios")]
    return [
        *first, f"{1e3 * row['seconds']:.3f}", *two, f"{row['tokens_per_second']:,.0f}", f"{row['part_of_limit']:.1%}",
    ]  # fmt: skip


def table(results: Iterable[dict[str, Any]]) -> str:
    """Return all of it as one Markdown table."""
    return markdown_table(HEADER, [cells(row) for result in results for row in summary(result)])


def thread_counts(text: str) -> list[int]:
    """Return the numbers of threads that ``1,all`` and the like ask for, each once.

    Raises
    ------
    UserError
        If one is neither ``all`` nor a number from 1 to that of the cores.
    """
    most, counts = len(cores()), []
    for part in text.split(","):
        count = most if part == "all" else int(part) if part.isascii() and part.isdigit() else 0
        if not 1 <= count <= most:
            raise UserError(f"--threads must name numbers from 1 to {most}, or all, not {part!r:.60}; try 1,all")
        counts.append(count)
    return list(dict.fromkeys(counts))


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = command_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--threads", default="1,all", help="numbers, separated by commas; all: as many as cores")
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each contestant in each round")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it and GPT_DATA_DIR, random tokens")
    parser.add_argument("--json", type=Path, help="a file for all numbers")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, and write all numbers if that is asked for."""
    options = options_from(arguments)
    with errors_in_one_line():
        counts = thread_counts(options.threads)
        for name in options.presets:
            timed_recipe(name)  # an unknown one is to be known before hours are spent on others
        results = [found(preset, threads, options) for preset in options.presets for threads in counts]
    print(f"{in_words(conditions())}; {options.rounds} rounds of {options.seconds} s each\n")
    print(table(results))
    for result in results:
        times = result["times"]
        limits = (f"{name} {PRODUCT_OPERATIONS / statistics.median(times[name]) / 1e9:.0f}" for name in PRODUCTS)
        print(f"\n`{result['preset']}`, threads: {result['threads']}; GFLOP/s of the products: {', '.join(limits)}")
    rows = [row for result in results for row in summary(result)]
    libraries = {str(result["threads"]): result["libraries"] for result in results}
    with errors_in_one_line():
        write_report(options.json, {"conditions": conditions(), "libraries": libraries, "rows": rows})


if __name__ == "__main__":
    main()
