"""The course of ``benchmarks.cuda``: what is measured when, in what part of the time, and what is said at once."""

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

from benchmarks.gpu.budget import attempted, cleared
from benchmarks.gpu.divergence import SEEDS, compared, compared_setting, fitting_steps, references
from benchmarks.gpu.report import card, card_in_words, divergence_table, loss_table, peer_table, speed_table
from benchmarks.gpu.variants import Setting, Variant, engine_of, speed_of, stepping, time_to_loss, variants
from benchmarks.peers.nanogpt import peer_contestant
from benchmarks.support.command import write_report
from benchmarks.support.conditions import random_text, text_for
from benchmarks.support.interleaved import in_turn, ratios
from gpt_data.errors import UserError
from gpt_data.wording import list_names
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.device import choose_device, set_tf32
from torch_gpt.fast.engine import FastOptions
from torch_gpt.fast.hardware import peak_of

NO_CARD = "not measured: no CUDA device"
# What part of the budget is over, at the latest, when each of the first three is done; the fourth has all that is left.
SPEED, DIVERGENCE, PEER = 0.4, 0.65, 0.8
_EXACT = Variant("compiled, with graphs, float32", "float32", FastOptions(compile=True, graphs=True))
_ROUNDS, _TURN = 7, 1.0  # seconds of a turn beside the peer


def run(options: argparse.Namespace) -> None:
    """Measure what the options ask for, and print the tables.

    Raises
    ------
    UserError
        If there is no such preset, device or way of training.
    """
    began = time.perf_counter()
    until = {part: began + share * options.budget for part, share in (("speed", SPEED), ("divergence", DIVERGENCE))}
    until |= {"peer": began + PEER * options.budget, "loss": began + options.budget}
    absent = re.fullmatch(r"cuda(:\d+)?", options.device) is not None and not torch.cuda.is_available()
    device = "cpu" if absent else str(choose_device(options.device))
    ways = variants(device)
    if unknown := [name for name in options.ways if name not in ways]:
        raise UserError(f"a way of training must be one of {list_names(ways)}, not {unknown[0]!r:.60}")
    chosen = {ways[name].name: ways[name] for name in options.ways}
    setting = _setting(options, "tiny" if absent else options.preset, device)
    report: dict[str, Any] = {"card": card(options.device if absent else device), "recipe": setting.recipe.to_dict()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's compiler's own, about itself
        set_tf32(False)
        _introduce(options, report, setting, absent)
        speeds: dict[str, Any] = dict.fromkeys(chosen, NO_CARD)
        if not absent:
            cleared()
            speeds = {name: attempted(partial(speed_of, setting, v), until["speed"]) for name, v in chosen.items()}
        _say(options, report, "speed", "Speed", speed_table(speeds), speeds)
        found = divergences(setting, chosen, until["divergence"])
        title = "Losses beside the explicit float32 path's, no dropout, "
        title += f"`{setting.recipe.name}`, batch {compared_setting(setting).recipe.training.batch_size}"
        _say(options, report, "divergence", title, divergence_table(found), found)
        fastest = _fastest(speeds, chosen)
        if options.peer or absent:
            beside = NO_CARD if absent else _beside(options, setting, fastest, until["peer"])
            _say(options, report, "peer", "Beside nanoGPT", peer_table(beside), beside)
        losses = NO_CARD if absent else _to_loss(options, setting, fastest, speeds, until["loss"])
        name = fastest.name if fastest else "the fastest"
        _say(options, report, "loss", "Time to a validation loss", loss_table({name: losses}, options.target), losses)
    print(f"\n{time.perf_counter() - began:.0f} s in all, of {options.budget:.0f} s")


def divergences(setting: Setting, chosen: dict[str, Variant], until: float) -> dict[str, Any]:
    """Return how far each way is from the explicit path, or in words why that is not known."""
    without = compared_setting(setting)
    dtypes = list(dict.fromkeys(["float32", *(variant.dtype for variant in chosen.values())]))
    now = time.perf_counter()
    half = now + 0.5 * (until - now)  # for the explicit path and its controls; compiling takes as long again

    def reference() -> Any:
        runs = 1 + SEEDS * len(dtypes)
        return references(without, dtypes, fitting_steps(without, runs, now + 0.4 * (until - now)))

    made = attempted(reference, half)
    if isinstance(made, str):
        return dict.fromkeys(chosen, f"the explicit path: {made}")
    explicit, allowed = made
    if any(variant.how.graphs for variant in chosen.values()):  # in float32 the bound is the closest
        chosen = chosen | {_EXACT.name: _EXACT}
    found = {name: attempted(partial(compared, without, v, explicit, allowed), until) for name, v in chosen.items()}
    if len(explicit) < setting.steps:
        for result in found.values():
            if not isinstance(result, str):
                result["notes"].append(f"{len(explicit)} steps in place of {setting.steps}: the time budget")
    return found


def beside_peer(setting: Setting, variant: Variant, options: argparse.Namespace) -> dict[str, Any]:
    """Return the times of ours and of the peer's steps, taken in turn, as they are and as ratios."""
    engine = engine_of(setting, variant, lambda note: print(f"note: {note}", file=sys.stderr))
    compiled = variant.how.compile
    other, parameters = peer_contestant(setting, options.peer, variant.dtype, compiled)
    ours, theirs = f"ours, {variant.name}", f"nanoGPT, {variant.dtype}{', torch.compile' if compiled else ''}"
    turn = min(_TURN, setting.steps / 100)
    times = in_turn({ours: stepping(engine), theirs: other}, _ROUNDS, turn)
    counts = {ours: parameter_count(setting.recipe.model), theirs: parameters}
    each = {}
    for name, seconds in times.items():
        median = statistics.median(seconds)
        each[name] = {"seconds": median, "parameters": counts[name], **ratios(seconds, times[ours])._asdict()}
    return {"each": each, "rounds": times}


def _beside(options: argparse.Namespace, setting: Setting, fastest: Variant | None, until: float) -> Any:
    if fastest is None:
        return "not measured: no way of training could be timed"
    return attempted(lambda: beside_peer(setting, fastest, options), until)


def _to_loss(
    options: argparse.Namespace, setting: Setting, fastest: Variant | None, speeds: dict[str, Any], until: float
) -> Any:
    if fastest is None:
        return "not measured: no way of training could be timed"
    if not setting.text.real:
        return "not measured: random tokens cannot be learnt; give the text by --source FILE"
    needed, left = setting.recipe.training.max_iters * speeds[fastest.name]["seconds"], until - time.perf_counter()
    if needed > 2 * left:
        return f"not measured: {needed:.0f} s of training would not fit into the {left:.0f} s that are left"
    # A little less than all: the last evaluation is to be there when time is up.
    stop = time.perf_counter() + 0.9 * left
    return attempted(lambda: time_to_loss(setting, fastest, options.target, stop), until)


def _fastest(speeds: dict[str, Any], chosen: dict[str, Variant]) -> Variant | None:
    timed = {name: result["seconds"] for name, result in speeds.items() if not isinstance(result, str)}
    return chosen[min(timed, key=timed.__getitem__)] if timed else None


def _setting(options: argparse.Namespace, name: str, device: str) -> Setting:
    recipe: Recipe = preset(name)
    if torch.device(device).type != "cuda":  # a rehearsal of all that a card would do, but not for hours
        recipe = recipe.override({"max_iters": options.steps, "eval_interval": max(1, options.steps // 2)})
    try:
        text = text_for(recipe, options.source)
    except UserError as error:  # the speed can be had without the text
        print(f"note: {error}", file=sys.stderr)
        text = random_text(recipe)
    return Setting(recipe, text, device, options.steps)


def _introduce(options: argparse.Namespace, report: dict[str, Any], setting: Setting, absent: bool) -> None:
    recipe, device = setting.recipe, torch.device(setting.device)
    rehearsal = "" if device.type == "cuda" else "REHEARSAL on the processor: no figure is a card's. "
    if absent:
        rehearsal = "There is no CUDA device: only the losses are compared, of a small model on the processor. "
    peak = peak_of(device, "bfloat16", False)
    print(f"{rehearsal}{card_in_words(report['card'])}\n`{recipe.name}`, batch {recipe.training.batch_size}, ", end="")
    print(f"{parameter_count(recipe.model):,} parameters, text: {setting.text.origin}", end="")
    print(f", peak in half precision {peak / 1e12:.0f} TFLOP/s" if peak and not math.isnan(peak) else "", flush=True)


def _say(options: argparse.Namespace, report: dict[str, Any], part: str, title: str, table: str, found: Any) -> None:
    print(f"\n## {title}\n\n{table}", flush=True)
    report[part] = found
    write_report(options.json, report)
