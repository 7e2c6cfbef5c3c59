"""A search for a better recipe than shakespeare-best: ``python -m benchmarks.recipe_search``.

Every candidate is that preset with one or two changes, trained completely with the same seeds. Each training run also
keeps moving averages of the weights with several decays, so that one run measures all of them.

It needs a GPU: on two cores one run takes hours, and smaller models with less text, which would take minutes, give
different results: with them, more dropout only slows training.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.recipe_search")

import argparse
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.modes import Mode, Setting, make_engine, training_modes
from benchmarks.gpu.recipe_candidates import BASE, candidates
from benchmarks.gpu.tables import describe_device, device_line
from benchmarks.gpu.time_limit import attempt
from benchmarks.support.command import at_least_zero, command_parser, duration, markdown_table, write_report
from benchmarks.support.text import text_for
from gpt_data.errors import UserError
from gpt_data.wording import list_names, quote
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.schedule import ema_weight, learning_rate_at
from numpy_gpt.shared.training.stopping import Diverged
from torch_gpt.adamw import swap_ema, update_ema
from torch_gpt.device import choose_device, set_tf32
from torch_gpt.fast.fallback import print_note

DECAYS = (0.99, 0.994, 0.997, 0.998, 0.999)
"""The decays of the averages, including the preset's own."""


def train(setting: Setting, mode: Mode, decays: Sequence[float] = DECAYS) -> dict[str, Any]:
    """Train with the whole recipe; return the final losses of the weights (decay 0) and of each average.

    Raises
    ------
    Diverged
        If a loss or a gradient is not finite.
    """
    recipe, training = setting.recipe, setting.recipe.training
    # The averages are kept here: the engine itself keeps none.
    engine = make_engine(setting._replace(recipe=recipe.override({"ema_decay": 0.0})), mode, print_note)
    weights = {name: value.detach() for name, value in engine.parameters.items()}
    averages = {decay: {name: value.clone() for name, value in weights.items()} for decay in decays}
    start = time.perf_counter()
    for step in range(training.max_iters):
        engine.take_step(step, learning_rate_at(step, **training.schedule()))
        for decay, average in averages.items():
            update_ema(average, weights, ema_weight(step + 1, decay))
    step, last = engine.latest()
    if not (math.isfinite(last.loss) and math.isfinite(last.gradient_norm)):
        raise Diverged(f"a loss of {last.loss} and a gradient of norm {last.gradient_norm} at step {step + 1:,}")
    seconds = time.perf_counter() - start

    def loss(split: Any, average: dict[str, torch.Tensor]) -> float:
        swap_ema(average, weights)
        value = evaluate(engine, split, recipe.model.block_size, recipe.eval_stride)
        swap_ema(average, weights)
        return value

    averages[0.0] = {}
    losses = {decay: loss(setting.text.val, average) for decay, average in sorted(averages.items())}
    best = min(losses, key=losses.__getitem__)
    return {
        "val_losses": losses,
        "best_decay": best,
        "train_loss": loss(setting.text.train[: len(setting.text.val)], averages[best]),
        "steps": training.max_iters,
        "batch_size": training.batch_size,
        "seconds": seconds,
    }


def table(results: dict[str, dict[str, Any] | str], decays: Sequence[float] = DECAYS) -> str:
    """Return a row for each training run: losses of the weights and of each average, the smallest in bold."""
    columns = (0.0, *decays)
    header = ("recipe", "batch", "steps", "the weights", *(f"average {decay}" for decay in decays))
    rows = []
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, "", "", result, *[""] * (len(columns) + 1)])
            continue
        cells = [f"{result['val_losses'][decay]:.4f}" for decay in columns]
        best = columns.index(result["best_decay"])
        cells[best] = f"**{cells[best]}**"
        rest = [f"{result['train_loss']:.4f}", f"{result['seconds']:,.0f}"]
        rows.append([name, f"{result['batch_size']}", f"{result['steps']:,}", *cells, *rest])
    return markdown_table((*header, "training loss of the best", "seconds"), rows)


def run(options: argparse.Namespace) -> int:
    """Train the candidates that the options select, print the table, and return the exit status.

    Raises
    ------
    UserError
        If a candidate or the device is unknown, the text is not available, or the numbers cannot be written.
    """
    device = str(choose_device(options.device, "float32"))
    known, modes = candidates(), training_modes(device)
    if unknown := [name for name in options.only or () if name not in known]:
        raise UserError(f"a candidate must be one of {list_names(known)}, not {quote(unknown[0])}")
    mode = modes[options.mode or ("graphs" if torch.device(device).type == "cuda" else "eager")]
    recipes = {name: known[name] for name in options.only or known}
    text = text_for(preset(BASE), options.source)
    if not text.real:
        raise UserError("random tokens cannot be learnt; give the text with --source FILE")
    about = describe_device(device)
    print(f"{device_line(about)}; {mode.name}; text: {text.origin}")
    until = time.perf_counter() + options.budget
    results: dict[str, dict[str, Any] | str] = {}
    report = {"environment": about, "results": results}
    write_report(options.json, report)  # reports a path that cannot be written before hours of training
    set_tf32(False)
    for seed in options.seeds:
        for name, recipe in recipes.items():
            setting = Setting(recipe.override({"seed": seed}), text, device, recipe.training.max_iters)
            key = name if seed == options.seeds[0] else f"{name}, seed {seed}"
            results[key] = attempt(partial(train, setting, mode), until)
            print(table({key: results[key]}).splitlines()[-1], file=sys.stderr, flush=True)
            write_report(options.json, report)
    print(f"\n{table(results)}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Search, and print a row for each training run as soon as it is complete."""
    parser = command_parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="candidates (default: all)")
    parser.add_argument("--seeds", nargs="+", type=at_least_zero, default=[1337])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--mode", choices=list(training_modes("cpu")), help="(default: the device's fastest)")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it GPT_DATA_DIR or the cache")
    parser.add_argument("--budget", type=duration, default=86400.0, help="time budget of the search in seconds")
    parser.add_argument("--json", type=Path, help="write all numbers to this file, after each run")
    return run_command(run, parser, arguments)
