"""The modes of training that ``benchmarks.cuda`` compares, their speed, and their time to a loss.

Each mode adds one feature to the mode before it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from benchmarks.support.interleaved import Workload, seconds_per_call
from benchmarks.support.text import Text
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.evaluation import VAL_ESTIMATE, estimate, evaluate
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at
from numpy_gpt.shared.training.throughput import operations_per_token
from torch_gpt.fast.engine import FastEngine, FastOptions
from torch_gpt.fast.precision import has_bfloat16

_WINDOWS, _WARM_UP = 5, 10
_LONGEST = 10.0  # the most seconds that one mode is timed for


class Mode(NamedTuple):
    """A mode of training; ``dtype`` overrides that of the recipe."""

    name: str
    dtype: str
    options: FastOptions


class Setting(NamedTuple):
    """The recipe, text and device of a measurement; ``steps`` are compared, and are the most in one timed window."""

    recipe: Recipe
    text: Text
    device: str
    steps: int


def training_modes(device: str) -> dict[str, Mode]:
    """Return all modes by short names; a GPU without bfloat16 computes in float16."""
    on_gpu = torch.device(device).type == "cuda"
    half = "float16" if on_gpu and not has_bfloat16(torch.device(device)) else "bfloat16"
    return {
        "eager": Mode("eager, float32", "float32", FastOptions()),
        "half": Mode(f"+ {half}", half, FastOptions()),
        "compile": Mode("+ torch.compile", half, FastOptions(compile=True)),
        "graphs": Mode("+ CUDA graphs", half, FastOptions(compile=True, graphs=True)),
    }


def make_engine(setting: Setting, mode: Mode, report: Callable[[str], None]) -> FastEngine:
    """Return an engine with the recipe's initial values; ``report`` receives a note about each unavailable feature."""
    recipe = setting.recipe.override({"dtype": mode.dtype})
    values = initial_values(recipe.model, recipe.training.seed)
    engine = FastEngine(recipe, values, None, setting.device, mode.options, report=report)
    engine.begin(setting.text.train)
    return engine


def training_workload(engine: Any) -> Workload:
    """Return the engine's training as a workload: steps with the recipe's learning rates."""
    schedule, steps = engine.recipe.training.schedule(), iter(range(1 << 62))

    def call() -> None:
        step = next(steps)
        engine.take_step(step, learning_rate_at(step, **schedule))

    return Workload(call, engine.latest)


def measure_speed(setting: Setting, mode: Mode) -> dict[str, Any]:
    """Return the seconds of the first step and of later ones (median over windows), speed, MFU and peak memory."""
    notes: list[str] = []
    engine = make_engine(setting, mode, notes.append)
    workload = training_workload(engine)
    first = seconds_per_call(workload, 1)
    estimate = seconds_per_call(workload, min(_WARM_UP, setting.steps))
    count = max(1, min(setting.steps, int(_LONGEST / _WINDOWS / estimate)))
    seconds = statistics.median(seconds_per_call(workload, count) for _ in range(_WINDOWS))
    recipe = setting.recipe
    tokens = recipe.training.batch_size * recipe.training.gradient_accumulation_steps * recipe.model.block_size
    peak = engine.peak_flops
    _, result = engine.latest()
    if not math.isfinite(result.loss):
        notes.append(f"the loss is {result.loss}")
    if mode.options.graphs and engine.device.type != "cuda":
        notes.append(f"there are no CUDA graphs on {engine.device}")
    elif mode.options.graphs and mode.dtype == "float16":
        notes.append("no CUDA graphs in float16")
    return {
        "first_seconds": first,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "mfu": None if peak is None else tokens * operations_per_token(recipe.model) / seconds / peak,
        "peak_memory": engine.peak_memory(),
        "reserved_memory": torch.cuda.max_memory_reserved() if engine.device.type == "cuda" else None,
        "notes": notes,
    }


def time_to_loss(setting: Setting, mode: Mode, target: float, until: float) -> dict[str, Any]:
    """Train with the whole recipe; return when its validation loss first reached ``target``, by each measure.

    The measures are the loss over the whole validation split, and nanoGPT's estimate from random batches, the one that
    nanoGPT reports; without ``eval_iters`` there is no estimate. Seconds are those of training without evaluations;
    those of the first step, which include compiling, are also returned separately. Training continues to its end, or
    until ``until``, a perf_counter time.
    """
    training, notes = setting.recipe.training, list[str]()
    workload = training_workload(engine := make_engine(setting, mode, notes.append))
    first = seconds = seconds_per_call(workload, 1)
    measures = _measures(setting, engine)
    found = {
        name: {"reached_step": None, "reached_seconds": None, "loss": math.nan, "best_loss": math.inf, "best_step": 0}
        for name in measures
    }
    step = 1
    while step < training.max_iters and time.perf_counter() < until:
        count = min(training.eval_interval - step % training.eval_interval, training.max_iters - step)
        seconds += count * seconds_per_call(workload, count)
        step += count
        for name, measure in measures.items():
            result, loss = found[name], measure(step)
            result["loss"] = loss
            if loss < result["best_loss"]:
                result |= {"best_loss": loss, "best_step": step}
            if loss <= target and result["reached_step"] is None:
                result |= {"reached_step": step, "reached_seconds": seconds}
    if step < training.max_iters:
        notes.append(f"stopped after {step:,} of {training.max_iters:,} steps: the time budget")
    return {"measures": found, "first_seconds": first, "seconds": seconds, "steps": step, "notes": notes}


def _measures(setting: Setting, engine: FastEngine) -> dict[str, Callable[[int], float]]:
    """Return the measures: functions from a number of steps to the engine's validation loss after them."""
    recipe, val = setting.recipe, setting.text.val
    both = {
        "whole split": lambda step: evaluate(engine, val, recipe.model.block_size, recipe.eval_stride),
        "nanoGPT's estimate": lambda step: estimate(engine, val, recipe, VAL_ESTIMATE, step),
    }
    return both if recipe.training.eval_iters else {"whole split": both["whole split"]}
