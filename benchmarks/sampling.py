"""Tokens a second while a text is written, and what a late token costs: ``python -m benchmarks.sampling``.

Three write in turn, one sequence each, with keys and values kept: numpy_gpt, torch_gpt, and PyTorch as one usually
writes it. The first table is of whole contexts, from a prompt of one token until the context is full. The second is of
single tokens at two places of the context, with what is kept and without. Weights are the initial ones: the speed does
not depend on them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.torch_decoding import idiomatic_tokens, idiomatic_tokens_uncached
from benchmarks.peers.torch_modules import idiomatic_gpt
from benchmarks.support.command import command_parser, errors_in_one_line, write_report
from benchmarks.support.conditions import conditions, cores, in_words, numpy_threads
from benchmarks.support.interleaved import Contestant, at_least_one, in_turn, markdown_table, ratios
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.inputs import require_gpt
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.randomness import sampling_uniforms
from torch_gpt.engine import TorchEngine

PRESETS = ("tiny", "shakespeare-cpu", "shakespeare")
EARLY, LATE = 8, 250
_TOKENS = 6  # timed at each place
_BASE = "torch idiomatic"

Writer = Callable[[list[int], int, bool], Iterator[Any]]
"""Prompt, number of tokens, and whether keys and values are kept → the tokens, one by one as they are made."""


def writers(name: str) -> tuple[GPTConfig, dict[str, Writer]]:
    """Return a preset's config, and all three with the same weights."""
    recipe = preset(name).override({"dtype": "float32"})
    values = initial_values(recipe.model, recipe.training.seed)
    config = require_gpt(recipe.model)
    model = idiomatic_gpt(config, values)

    def idiomatic(prompt: list[int], count: int, cache: bool) -> Iterator[Any]:
        return (idiomatic_tokens if cache else idiomatic_tokens_uncached)(model, prompt, count)

    def of(engine: NumpyEngine | TorchEngine) -> Writer:
        return lambda prompt, count, cache: engine.draws(prompt, sampling_uniforms(1, count), cache=cache)

    ours = {"numpy_gpt": of(NumpyEngine(recipe, values)), "torch_gpt": of(TorchEngine(recipe, values, fused=True))}
    return config, {**ours, _BASE: idiomatic}


def whole_contexts(name: str, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return the speed of each in filling a context of its own."""
    config, all_of_them = writers(name)
    tokens = config.block_size  # the last one is drawn when the context is full; nothing has to slide

    def contestant(writer: Writer) -> Contestant:
        return Contestant(lambda: list(writer([0], tokens, True)))

    times = in_turn({who: contestant(writer) for who, writer in all_of_them.items()}, rounds, seconds)
    rows = []
    for who, each in times.items():
        both = ratios(each, times[_BASE])
        speed = tokens / statistics.median(each)
        rows.append({"preset": name, "who": who, "tokens_per_second": speed, "rounds": each, **both._asdict()})
    return rows


def seconds_at(writer: Writer, place: int, cache: bool) -> float:
    """Return the median seconds of a token when about ``place`` tokens stand before it."""
    tokens = writer([0] * (place - _TOKENS // 2), _TOKENS + 1, cache)
    next(tokens)  # reads the prompt
    times = []
    for _ in range(_TOKENS):
        began = time.perf_counter()
        next(tokens)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def by_place(name: str, rounds: int) -> list[dict[str, Any]]:
    """Return what a token costs early and late in the context, kept or not; each is measured once in every round."""
    config, all_of_them = writers(name)
    late = min(LATE, config.block_size - _TOKENS)
    places = [(early_or_late, cache) for early_or_late in (min(EARLY, late), late) for cache in (True, False)]
    for writer in all_of_them.values():
        seconds_at(writer, late, True)  # warms up
    times: dict[str, list[list[float]]] = {who: [] for who in all_of_them}
    for _ in range(rounds):
        for who, writer in all_of_them.items():
            times[who].append([seconds_at(writer, place, cache) for place, cache in places])
    rows = []
    for who, each in times.items():
        early, early_uncached, late_one, late_uncached = (
            statistics.median(column) for column in zip(*each, strict=True)
        )
        row: dict[str, Any] = {"preset": name, "who": who, "early": places[0][0], "late": late}
        row |= {"early_seconds": early, "late_seconds": late_one}
        row["late_over_early"] = statistics.median(line[2] / line[0] for line in each)
        row |= {
            "uncached_over_cached_early": early_uncached / early,
            "uncached_over_cached_late": late_uncached / late_one,
        }
        rows.append(row)
    return rows


def tables(speeds: list[dict[str, Any]], places: list[dict[str, Any]]) -> str:
    """Return both tables."""
    first = markdown_table(
        ("preset", "who", "tokens a second", f"time, that of {_BASE} = 1", "median of the rounds' ratios"),
        map(_speed_cells, speeds),
    )
    early, late = places[0]["early"], places[0]["late"]
    header = ("preset", "who", f"ms at {early} tokens", f"ms at {late}", "ratio")
    second = markdown_table((*header, f"nothing kept, at {early}", f"at {late}"), map(_place_cells, places))
    return f"{first}\n\n{second}"


def _speed_cells(row: dict[str, Any]) -> list[str]:
    speed = f"{row['tokens_per_second']:,.0f}"
    return [f"`{row['preset']}`", row["who"], speed, f"{row['of_medians']:.2f}", f"{row['median']:.2f}"]


def _place_cells(row: dict[str, Any]) -> list[str]:
    times = [f"{1e3 * row[key]:.3f}" for key in ("early_seconds", "late_seconds")]
    uncached = [f"× {row[key]:.1f}" for key in ("uncached_over_cached_early", "uncached_over_cached_late")]
    return [f"`{row['preset']}`", row["who"], *times, f"{row['late_over_early']:.2f}", *uncached]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print both tables."""
    parser = command_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--place_preset", default="shakespeare", help="whose context is long enough for both places")
    parser.add_argument("--threads", type=at_least_one, default=len(cores()), help="of NumPy and torch")
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each in each round")
    parser.add_argument("--json", type=Path, help="a file for all numbers")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    with errors_in_one_line(), numpy_threads(options.threads):
        speeds = [row for name in options.presets for row in whole_contexts(name, options.rounds, options.seconds)]
        places = by_place(options.place_preset, options.rounds)
    print(f"{in_words(conditions())}; {options.rounds} rounds, threads: {options.threads}\n\n{tables(speeds, places)}")
    with errors_in_one_line():
        write_report(options.json, {"conditions": conditions(), "contexts": speeds, "places": places})


if __name__ == "__main__":
    main()
