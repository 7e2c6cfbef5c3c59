"""The measurements of ``benchmarks.cuda`` in their order, with their shares of the time and their output."""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import time
import warnings
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.loss_comparison import SEEDS, compare_losses, comparison_setting, fitting_steps, reference_losses
from benchmarks.gpu.modes import (
    Mode,
    Setting,
    make_engine,
    measure_speed,
    time_to_loss,
    training_modes,
    training_workload,
)
from benchmarks.gpu.tables import describe_device, device_line, divergence_table, loss_table, peer_table, speed_table
from benchmarks.gpu.time_limit import attempt, release_memory
from benchmarks.peers.nanogpt import peer_workload
from benchmarks.support.command import write_report
from benchmarks.support.interleaved import ratios, time_interleaved
from benchmarks.support.text import random_text, text_for
from gpt_data.errors import UserError
from gpt_data.wording import list_names, quote
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.device import choose_device, set_tf32
from torch_gpt.fast.engine import FastOptions
from torch_gpt.fast.hardware import peak_of

NO_GPU = "not measured: no CUDA device"
# The fraction of the budget within which each of the first three must finish; the fourth gets the rest.
SPEED, DIVERGENCE, PEER = 0.4, 0.65, 0.8
_EXACT = Mode("compiled, with graphs, float32", "float32", FastOptions(compile=True, graphs=True))
_ROUNDS, _ROUND_SECONDS = 7, 1.0  # of the comparison with nanoGPT; seconds of each


def run(options: argparse.Namespace) -> int:
    """Make the measurements that the options select, print the tables, and return the exit status.

    Raises
    ------
    UserError
        If the preset, the device or a mode is unknown.
    """
    start = time.perf_counter()
    until = {part: start + share * options.budget for part, share in (("speed", SPEED), ("divergence", DIVERGENCE))}
    until |= {"peer": start + PEER * options.budget, "loss": start + options.budget}
    absent = re.fullmatch(r"cuda(:\d+)?", options.device) is not None and not torch.cuda.is_available()
    device = "cpu" if absent else str(choose_device(options.device))
    modes = training_modes(device)
    if unknown := [name for name in options.modes if name not in modes]:
        raise UserError(f"a mode must be one of {list_names(modes)}, not {quote(unknown[0])}")
    chosen = {modes[name].name: modes[name] for name in options.modes}
    setting = _setting(options, "tiny" if absent else options.preset, device)
    report: dict[str, Any] = {"device": describe_device(options.device if absent else device)}
    report["recipe"] = setting.recipe.to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of torch's compiler
        set_tf32(False)
        _print_heading(options, report, setting, absent)
        speeds: dict[str, Any] = dict.fromkeys(chosen, NO_GPU)
        if not absent:
            release_memory()
            speeds = {name: attempt(partial(measure_speed, setting, m), until["speed"]) for name, m in chosen.items()}
        _print_table(options, report, "speed", "Speed", speed_table(speeds), speeds)
        found = compare_modes(setting, chosen, until["divergence"])
        title = "Losses compared with the explicit float32 path's, without dropout, "
        title += f"`{setting.recipe.name}`, batch {comparison_setting(setting).recipe.training.batch_size}"
        _print_table(options, report, "divergence", title, divergence_table(found), found)
        fastest = _fastest(speeds, chosen)
        if options.peer or absent:
            peer = NO_GPU if absent else _compare_with_peer(options, setting, fastest, until["peer"])
            _print_table(options, report, "peer", "Compared with nanoGPT", peer_table(peer), peer)
        losses = NO_GPU if absent else _measure_time_to_loss(options, setting, fastest, speeds, until["loss"])
        name = fastest.name if fastest else "the fastest"
        _print_table(
            options, report, "loss", "Time to a validation loss", loss_table({name: losses}, options.target), losses
        )
    print(f"\n{time.perf_counter() - start:.0f} s in total, of {options.budget:.0f} s")
    return 0


def compare_modes(setting: Setting, chosen: dict[str, Mode], until: float) -> dict[str, Any]:
    """Return each mode's comparison with the explicit path, or a message that says why there is none."""
    small = comparison_setting(setting)
    dtypes = list(dict.fromkeys(["float32", *(mode.dtype for mode in chosen.values())]))
    now = time.perf_counter()
    half = now + 0.5 * (until - now)  # for the explicit path and its controls; compiling takes as long

    def reference() -> Any:
        runs = 1 + SEEDS * len(dtypes)
        return reference_losses(small, dtypes, fitting_steps(small, runs, now + 0.4 * (until - now)))

    references = attempt(reference, half)
    if isinstance(references, str):
        return dict.fromkeys(chosen, f"the explicit path: {references}")
    explicit, bounds = references
    if any(mode.options.graphs for mode in chosen.values()):  # the bound is tightest in float32
        chosen = chosen | {_EXACT.name: _EXACT}
    found = {name: attempt(partial(compare_losses, small, m, explicit, bounds), until) for name, m in chosen.items()}
    if len(explicit) < setting.steps:
        for result in found.values():
            if not isinstance(result, str):
                result["notes"].append(f"{len(explicit)} steps instead of {setting.steps}: the time budget")
    return found


def compare_with_peer(setting: Setting, mode: Mode, options: argparse.Namespace) -> dict[str, Any]:
    """Return the interleaved times of our steps and nanoGPT's, and their ratios."""
    engine = make_engine(setting, mode, lambda note: print(f"note: {note}", file=sys.stderr))
    compiled = mode.options.compile
    other, parameters = peer_workload(setting, options.peer, mode.dtype, compiled)
    ours, theirs = f"ours, {mode.name}", f"nanoGPT, {mode.dtype}{', torch.compile' if compiled else ''}"
    seconds = min(_ROUND_SECONDS, setting.steps / 100)
    times = time_interleaved({ours: training_workload(engine), theirs: other}, _ROUNDS, seconds)
    counts = {ours: parameter_count(setting.recipe.model), theirs: parameters}
    each = {}
    for name, each_round in times.items():
        median = statistics.median(each_round)
        each[name] = {"seconds": median, "parameters": counts[name], **ratios(each_round, times[ours])._asdict()}
    return {"each": each, "rounds": times}


def _compare_with_peer(options: argparse.Namespace, setting: Setting, fastest: Mode | None, until: float) -> Any:
    if fastest is None:
        return "not measured: no mode could be timed"
    return attempt(lambda: compare_with_peer(setting, fastest, options), until)


def _measure_time_to_loss(
    options: argparse.Namespace, setting: Setting, fastest: Mode | None, speeds: dict[str, Any], until: float
) -> Any:
    if fastest is None:
        return "not measured: no mode could be timed"
    if not setting.text.real:
        return "not measured: random tokens cannot be learnt; give the text with --source FILE"
    needed, left = setting.recipe.training.max_iters * speeds[fastest.name]["seconds"], until - time.perf_counter()
    if needed > 2 * left:
        return f"not measured: {needed:.0f} s of training would exceed the remaining {left:.0f} s"
    # A little less than all, so that the last evaluation is complete when the time is over.
    stop = time.perf_counter() + 0.9 * left
    return attempt(lambda: time_to_loss(setting, fastest, options.target, stop), until)


def _fastest(speeds: dict[str, Any], chosen: dict[str, Mode]) -> Mode | None:
    timed = {name: result["seconds"] for name, result in speeds.items() if not isinstance(result, str)}
    return chosen[min(timed, key=timed.__getitem__)] if timed else None


def _setting(options: argparse.Namespace, name: str, device: str) -> Setting:
    recipe: Recipe = preset(name)
    if torch.device(device).type != "cuda":  # a rehearsal of all measurements, but not for hours
        recipe = recipe.override({"max_iters": options.steps, "eval_interval": max(1, options.steps // 2)})
    try:
        text = text_for(recipe, options.source)
    except UserError as error:  # the speed does not need the text
        print(f"note: {error}", file=sys.stderr)
        text = random_text(recipe)
    return Setting(recipe, text, device, options.steps)


def _print_heading(options: argparse.Namespace, report: dict[str, Any], setting: Setting, absent: bool) -> None:
    recipe, device = setting.recipe, torch.device(setting.device)
    rehearsal = "" if device.type == "cuda" else "REHEARSAL on the CPU: no figure here is that of a GPU. "
    if absent:
        rehearsal = "There is no CUDA device: only the losses of a small model on the CPU are compared. "
    peak = peak_of(device, "bfloat16", False)
    print(f"{rehearsal}{device_line(report['device'])}\n`{recipe.name}`, batch {recipe.training.batch_size}, ", end="")
    print(f"{parameter_count(recipe.model):,} parameters, text: {setting.text.origin}", end="")
    print(f", peak in half precision {peak / 1e12:.0f} TFLOP/s" if peak and not math.isnan(peak) else "", flush=True)


def _print_table(
    options: argparse.Namespace, report: dict[str, Any], part: str, title: str, table: str, found: Any
) -> None:
    print(f"\n## {title}\n\n{table}", flush=True)
    report[part] = found
    write_report(options.json, report)
