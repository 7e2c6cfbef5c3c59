"""The ways of training that ``benchmarks.cuda`` compares, and how fast they go.

Each is the one before it and one thing more.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from benchmarks.support.conditions import Text
from benchmarks.support.interleaved import Contestant, seconds_per_call
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.evaluation import VAL_ESTIMATE, estimate, evaluate
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at
from numpy_gpt.shared.training.throughput import operations_per_token
from torch_gpt.fast.engine import FastEngine, FastOptions
from torch_gpt.fast.precision import has_bfloat16

_WINDOWS, _WARM_UP = 5, 10
_LONGEST = 10.0  # seconds that one way is timed for, whatever was asked for


class Variant(NamedTuple):
    """A way of training; ``dtype`` is a recipe's."""

    name: str
    dtype: str
    how: FastOptions


class Setting(NamedTuple):
    """What is measured on what; ``steps`` is how many are compared, and the most that a window of time has."""

    recipe: Recipe
    text: Text
    device: str
    steps: int


def variants(device: str) -> dict[str, Variant]:
    """Return all ways by short names; a card that has no bfloat16 computes in float16."""
    on_card = torch.device(device).type == "cuda"
    half = "float16" if on_card and not has_bfloat16(torch.device(device)) else "bfloat16"
    return {
        "eager": Variant("eager, float32", "float32", FastOptions()),
        "half": Variant(f"+ {half}", half, FastOptions()),
        "compile": Variant("+ torch.compile", half, FastOptions(compile=True)),
        "graphs": Variant("+ CUDA graphs", half, FastOptions(compile=True, graphs=True)),
    }


def engine_of(setting: Setting, variant: Variant, report: Callable[[str], None]) -> FastEngine:
    """Return an engine at the recipe's initial values; ``report`` is told what could not be had."""
    recipe = setting.recipe.override({"dtype": variant.dtype})
    values = initial_values(recipe.model, recipe.training.seed)
    engine = FastEngine(recipe, values, None, setting.device, variant.how, report=report)
    engine.begin(setting.text.train)
    return engine


def stepping(engine: Any) -> Contestant:
    """Return the engine's training as something to be timed: steps at the recipe's rates, their end waited for."""
    schedule, steps = engine.recipe.training.schedule(), iter(range(1 << 62))

    def call() -> None:
        step = next(steps)
        engine.take_step(step, learning_rate_at(step, **schedule))

    return Contestant(call, engine.latest)


def speed_of(setting: Setting, variant: Variant) -> dict[str, Any]:
    """Return seconds of the first step, of a step after it (median over windows), speed, MFU and peak memory."""
    notes: list[str] = []
    engine = engine_of(setting, variant, notes.append)
    contestant = stepping(engine)
    first = seconds_per_call(contestant, 1)
    estimate = seconds_per_call(contestant, min(_WARM_UP, setting.steps))
    count = max(1, min(setting.steps, int(_LONGEST / _WINDOWS / estimate)))
    seconds = statistics.median(seconds_per_call(contestant, count) for _ in range(_WINDOWS))
    recipe = setting.recipe
    tokens = recipe.training.batch_size * recipe.training.gradient_accumulation_steps * recipe.model.block_size
    peak = engine.peak_flops
    _, result = engine.latest()
    if not math.isfinite(result.loss):
        notes.append(f"the loss is {result.loss}")
    if variant.how.graphs and engine.device.type != "cuda":
        notes.append(f"there are no CUDA graphs on {engine.device}")
    elif variant.how.graphs and variant.dtype == "float16":
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


def time_to_loss(setting: Setting, variant: Variant, target: float, until: float) -> dict[str, Any]:
    """Train by the whole recipe, and return when its validation loss first was ``target`` or less, by each measure.

    The measures are the loss over the whole validation split and nanoGPT's estimate from random batches, by which it
    states its own; without ``eval_iters`` there is no estimate. Seconds are those of training alone: what evaluations
    take is left out; what the first step takes, compiling among it, is told apart. Training goes on to its end, or to
    ``until``, a perf_counter time.
    """
    training, notes = setting.recipe.training, list[str]()
    contestant = stepping(engine := engine_of(setting, variant, notes.append))
    first = seconds = seconds_per_call(contestant, 1)
    measures = _measures(setting, engine)
    found = {
        name: {"reached_step": None, "reached_seconds": None, "loss": math.nan, "best_loss": math.inf, "best_step": 0}
        for name in measures
    }
    step = 1
    while step < training.max_iters and time.perf_counter() < until:
        count = min(training.eval_interval - step % training.eval_interval, training.max_iters - step)
        seconds += count * seconds_per_call(contestant, count)
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
    """Return the functions from a number of steps to the engine's validation loss after them."""
    recipe, val = setting.recipe, setting.text.val
    both = {
        "whole split": lambda step: evaluate(engine, val, recipe.model.block_size, recipe.eval_stride),
        "nanoGPT's estimate": lambda step: estimate(engine, val, recipe, VAL_ESTIMATE, step),
    }
    return both if recipe.training.eval_iters else {"whole split": both["whole split"]}
