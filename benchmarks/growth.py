"""How time and memory of a numpy_gpt training step grow with its sizes: ``python -m benchmarks.growth``.

Batch, context, width and depth each grow alone, sixteenfold, from one small model. Every point is a separate process,
and the points are interleaved, round after round. Times are those of replayed steps. Memory is the peak of NumPy's
allocations (tracemalloc) in a plain step after warm-up, and the peak of the process beyond its imports; both are
compared with the formula of ``benchmarks.support.memory_model``, which also says what a replayed step needs. An
exponent is the slope of the least-squares line through the logarithms of the upper half of the points; the expected
exponent is that of the operations, or of the formula, through the same points.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.growth")

import argparse
import json
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.child_process import peak_memory, run_json
from benchmarks.support.command import at_least_one, command_parser, markdown_table, thread_count, write_report
from benchmarks.support.environment import describe_environment, environment_line
from benchmarks.support.memory_model import step_memory
from gpt_data.checks import TokenIds
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.replay.replayed import WORTH
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.throughput import operations_per_token

START = {"batch_size": 4, "block_size": 32, "n_embd": 64, "n_layer": 2}
NAMES = {"batch_size": "batch", "block_size": "context", "n_embd": "width", "n_layer": "depth"}
IN_THE_LIMIT = {"batch_size": (1, 1), "block_size": (2, 2), "n_embd": (2, 2), "n_layer": (1, 1)}  # of time, of memory
FACTORS = (1, 2, 4, 8, 16)
_WARM_UP = WORTH + 3  # steps: in every later one, all slices are replayed


def recipe_of(sizes: dict[str, int]) -> Recipe:
    """Return the recipe of the small model with these changes; the other fields are those of shakespeare-cpu."""
    changes = {"dtype": "float32", **START, **sizes}
    return preset("shakespeare-cpu").override(changes)


def points(axis: str) -> list[dict[str, int]]:
    """Return the points of one axis."""
    return [{axis: factor * START[axis]} for factor in FACTORS]


def measure_point(sizes: dict[str, int], steps: int) -> dict[str, float]:
    """Return the median seconds of a step, and the peak bytes of NumPy's allocations and of the process."""
    recipe, tokens = recipe_of(sizes), _random_tokens()
    before = peak_memory()
    engine = _warm_engine(recipe, tokens)
    times = []
    for step in range(_WARM_UP, _WARM_UP + steps):
        start = time.perf_counter()
        engine.take_step(step, 1e-4)
        times.append(time.perf_counter() - start)
    resident = peak_memory() - before
    del engine
    return {"seconds": statistics.median(times), "bytes": traced_peak(recipe, replay=False), "resident": resident}


def traced_peak(recipe: Recipe, replay: bool = True) -> int:
    """Return the peak of the allocated bytes during a step, including the engine's own arrays."""
    tokens = _random_tokens()
    _warm_engine(recipe, tokens, replay)  # fills caches such as erf's tables: like the text, they do not count
    tracemalloc.start()
    try:
        engine = _warm_engine(recipe, tokens, replay)
        tracemalloc.reset_peak()
        engine.take_step(_WARM_UP, 1e-4)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def exponent(sizes: list[float], values: list[float]) -> float:
    """Return the slope of the least-squares line of ln(value) over ln(size), through the upper half of the points."""
    half = len(sizes) // 2
    slope, _ = np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)
    return float(slope)


def expected_growth(sizes: dict[str, int]) -> tuple[float, int]:
    """Return the operations of a step, and the peak memory by the formula."""
    recipe = recipe_of(sizes)
    config, batch = require_gpt(recipe.model), recipe.training.batch_size
    operations = batch * config.block_size * operations_per_token(config)
    return operations, step_memory(config, batch, config.block_size).peak


def sweep(axes: list[str], rounds: int, steps: int, threads: int) -> dict[str, list[dict[str, Any]]]:
    """Return, for each axis, a row for each point: medians over the rounds, and the expected values."""
    places = [(axis, sizes) for axis in axes for sizes in points(axis)]
    found: dict[str, list[dict[str, float]]] = {json.dumps(sizes): [] for _, sizes in places}
    for _ in range(rounds):
        for _, sizes in places:
            found[json.dumps(sizes)].append(_run_point(sizes, steps, threads))
    rows: dict[str, list[dict[str, Any]]] = {axis: [] for axis in axes}
    for axis, sizes in places:
        each = found[json.dumps(sizes)]
        row = {key: statistics.median(result[key] for result in each) for key in each[0]}
        operations, formula = expected_growth(sizes)
        rows[axis].append({"size": sizes[axis], **row, "operations": operations, "formula": formula})
    return rows


def exponents(axis: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the exponents of one axis, measured and expected."""
    sizes = [row["size"] for row in rows]
    keys = ("seconds", "operations", "bytes", "formula", "resident")
    return {key: exponent(sizes, [row[key] for row in rows]) for key in keys if all(row[key] > 0 for row in rows)}


def tables(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Return the table of the exponents and the table of all points."""
    slopes = []
    for axis, each in rows.items():
        found, (time_limit, memory_limit) = exponents(axis, each), IN_THE_LIMIT[axis]
        cells = (f"{found[key]:.2f}" for key in ("seconds", "operations", "bytes", "formula"))
        of_time, of_operations, of_bytes, of_formula = cells
        slopes.append([NAMES[axis], of_time, of_operations, time_limit, of_bytes, of_formula, memory_limit])
    header = ("grows", "time", "operations", "in the limit", "memory", "its formula", "in the limit")
    lines = [_cells(axis, row) for axis, each in rows.items() for row in each]
    second = ("grows", "size", "ms per step", "MB at the peak", "by the formula", "ratio", "MB of the process")
    return f"{markdown_table(header, slopes)}\n\n{markdown_table(second, lines)}"


def _cells(axis: str, row: dict[str, Any]) -> list[str]:
    megabytes = [f"{row[key] / 1e6:.2f}" for key in ("bytes", "formula")]
    ratio, resident = f"{row['bytes'] / row['formula']:.3f}", f"{row['resident'] / 1e6:.1f}"
    return [NAMES[axis], str(row["size"]), f"{1e3 * row['seconds']:.2f}", *megabytes, ratio, resident]


def plot(rows: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Plot time and memory against each size, one column per axis; expected curves are dashed."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(rows), figsize=(3.2 * len(rows), 6), squeeze=False, layout="constrained")
    for column, (axis, each) in enumerate(rows.items()):
        sizes, slopes = [row["size"] for row in each], exponents(axis, each)
        for panel, key, other, scale in (
            (panels[0][column], "seconds", "operations", 1e3),
            (panels[1][column], "bytes", "formula", 1e-6),
        ):
            values = [row[key] * scale for row in each]
            panel.loglog(sizes, values, "o-", label=f"measured, exponent {slopes[key]:.2f}")
            # Operations are not seconds: their curve is scaled to pass through the last point.
            factor = values[-1] / each[-1][other] if other == "operations" else scale
            panel.loglog(
                sizes, [row[other] * factor for row in each], "--", color="0.5", label=f"{other}, {slopes[other]:.2f}"
            )
            panel.set_xticks(sizes, [str(size) for size in sizes])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
            panel.legend(fontsize="small")
        panels[1][column].set_xlabel(NAMES[axis])
    panels[0][0].set_ylabel("ms per step")
    panels[1][0].set_ylabel("MB at the peak of a step")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _random_tokens() -> TokenIds:
    return np.random.default_rng(0).integers(recipe_of({}).model.vocab_size, size=20_000)


def _warm_engine(recipe: Recipe, tokens: TokenIds, replay: bool = True) -> NumpyEngine:
    engine = NumpyEngine(recipe, initial_values(recipe.model, 1, recipe.training.dtype), replay=replay)
    engine.begin(tokens)
    for step in range(_WARM_UP):
        engine.take_step(step, 1e-4)
    return engine


def _run_point(sizes: dict[str, int], steps: int, threads: int) -> dict[str, Any]:
    arguments = ["-m", "benchmarks.growth", "--point", json.dumps(sizes), "--steps", str(steps)]
    return run_json(f"measuring {sizes}", arguments, threads)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print both tables and write the plot."""
    parser = command_parser(__doc__)
    parser.add_argument("--axes", nargs="+", choices=list(START), default=list(START))
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--steps", type=at_least_one, default=7, help="timed at each point in each round")
    parser.add_argument("--threads", type=thread_count, default=1)
    parser.add_argument("--plot", type=Path, default=Path("runs/growth.png"))
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)  # a single point, in this process
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    if options.point is not None:
        print(json.dumps(measure_point(options.point, options.steps)))
        return 0
    rows = sweep(options.axes, options.rounds, options.steps, options.threads)
    environment = describe_environment()
    print(f"{environment_line(environment)}; threads: {options.threads}; {options.rounds} rounds\n\n{tables(rows)}")
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    plot(rows, options.plot)
    print(f"\nwrote {options.plot}")
    slopes = {axis: exponents(axis, points) for axis, points in rows.items()}
    write_report(options.json, {"environment": environment, "rows": rows, "exponents": slopes})
    return 0
