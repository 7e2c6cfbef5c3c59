"""Draw random command lines from the real parsers: right values, hostile ones, and every way to write an option."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

from parity_tests.attack.doors import DOORS, commands_of, parser_of
from parity_tests.attack.hostile import HUGE, NUMBERS, PATHS, RIGHT, TEXTS, UNBOUNDED
from parity_tests.attack.sandbox import Attack, Streams

_BOUNDS = {
    "train": {"--max_iters": "2", "--eval_interval": "2"},
    "compare": {"--max_iters": "2", "--eval_interval": "2"},
    "sample": {"--max_new_tokens": "3"},
    "handcalc.exercise": {"--seed": "1"},
}
"""What keeps a command short, and always the same; it is added unless the option was drawn."""
_PLACES = (
    *("config", "source", "out_dir", "output", "png", "html", "model", "run", "runs", "resume", "file", "files"),
    *("dataset", "init_from", "place", "tokenizer", "directory", "theirs", "map"),
)
_NOT_DRAWN = ("help", "debug")  # --debug asks for a traceback
_NOT_NUMBERS = ("abc", "", "1.5x", "\x1b[31m", "x" * 100_000, "½")
_STDIN = ("", "answer.txt", "trace.txt", "homework.txt", "-", "/dev/zero", "run/metrics.jsonl")

Group = list[str]
"""Words that belong together: an option and its value."""
_CARE = (0.97, 0.9, 0.6)
"""How likely each part of a command line is right: most have one fault, behind which the program is reached."""


def draw_command_line(rng: Random, name: str, programs: Sequence[str]) -> Attack | None:
    """Return an attack with a random command line, or None if it is for a program that is not wanted."""
    doors = [(program, command) for program in DOORS for command in _commands(program)]
    program, command = rng.choices(doors, [_weight(*door) for door in doors])[0]
    if program not in programs:
        return None
    actions = [action for action in _parsers(program)[command]._actions if action.dest not in _NOT_DRAWN]
    if DOORS[program].is_benchmark:
        groups = [_wrong_benchmark_option(rng, actions)]
    else:
        groups = _draw_groups(rng, rng.choice(_CARE), command or program, actions)
    words = command.split() + [word for group in groups for word in group]
    if rng.random() < 0.01 and not DOORS[program].is_benchmark:
        words = rng.sample([*words, rng.choice(TEXTS)], rng.randint(0, min(2, len(words))))
    attack = Attack(name, f"{program} {command}".strip(), program, tuple(words))
    return attack if DOORS[program].is_benchmark else attack._replace(**_draw_circumstances(rng))


def _weight(program: str, command: str) -> float:
    """Return how often a command is drawn: rebuilding takes seconds, and a benchmark only has its parser attacked."""
    return 0.05 if command == "rebuild" else 0.1 if DOORS[program].is_benchmark else 1


def _commands(program: str) -> list[str]:
    return [""] if DOORS[program].is_benchmark else [*_parsers(program)]


@cache
def _parsers(program: str) -> dict[str, argparse.ArgumentParser]:
    return commands_of(parser_of(DOORS[program]))


def _draw_groups(rng: Random, care: float, command: str, actions: list[argparse.Action]) -> list[Group]:
    positionals = [action for action in actions if not action.option_strings]
    options = [action for action in actions if action.option_strings]
    groups = [group for action in positionals for group in _draw_positional(rng, care, action)]
    drawn = [action for action in options if action.required and rng.random() < 0.95]
    drawn += rng.choices(options, k=rng.choice((0, 1, 1, 2, 2, 3, 5)))
    groups += [_draw_option(rng, care, action) for action in drawn]
    if command == "compare" and rng.random() < 0.8:
        varied = rng.choice(("n_embd", "learning_rate", "dropout", "seed", "n_layer", "dataset"))
        groups.append([f"--{varied}", ",".join(rng.sample(RIGHT[varied], 2))])
    if rng.random() < 0.3:
        rng.shuffle(groups)
    if rng.random() < 0.1 and groups:
        groups.append(rng.choice(groups))
    if rng.random() > care + 0.05:
        groups.insert(rng.randint(0, len(groups)), [rng.choice((*TEXTS, *PATHS))])
    written = {word.partition("=")[0].replace("-", "_") for group in groups for word in group}
    resumes = "__resume" in written  # a resumed run takes no recipe
    bounds = {} if resumes else _BOUNDS.get(command, {})
    return groups + [[flag, value] for flag, value in bounds.items() if flag.replace("-", "_") not in written]


def _draw_positional(rng: Random, care: float, action: argparse.Action) -> list[Group]:
    counts = {None: (1, 1, 1, 1, 1, 1, 0), "?": (0, 1, 1), "*": (0, 1, 1, 2), "+": (1, 1, 2, 3)}
    return [[_draw_value(rng, care, action)] for _ in range(rng.choice(counts[action.nargs]))]


def _draw_option(rng: Random, care: float, action: argparse.Action) -> Group:
    flag = action.option_strings[-1]
    if rng.random() > care:
        flag = rng.choice((f"--{flag[2:].replace('_', '-')}", flag[:-1], flag[:4], flag.upper(), flag[1:], f"{flag}x"))
    if action.nargs == 0 or (action.nargs == "?" and action.dest not in UNBOUNDED and rng.random() < 0.3):
        return [flag if rng.random() < care else f"{flag}={rng.choice(NUMBERS)}"]
    value = _draw_value(rng, care, action)
    if rng.random() < 0.02 and action.dest not in UNBOUNDED:
        return [flag]
    return [f"{flag}={value}"] if rng.random() < 0.4 else [flag, value]


def _draw_value(rng: Random, care: float, action: argparse.Action) -> str:
    right = RIGHT.get(action.dest) or tuple(map(str, action.choices or ())) or ("1", "2")
    if rng.random() < care:
        return rng.choice(right)
    if action.dest in UNBOUNDED:
        return rng.choice(("-1", "nan", "1.5", *TEXTS))
    pools = (PATHS, PATHS, TEXTS, NUMBERS) if action.dest in _PLACES else (NUMBERS, HUGE, TEXTS)
    return rng.choice(rng.choice(pools))


def _wrong_benchmark_option(rng: Random, actions: list[argparse.Action]) -> Group:
    """Return an option that no benchmark accepts, because one that starts would measure for minutes."""
    typed = [action for action in actions if action.option_strings and (action.type in (int, float) or action.choices)]
    if not typed or rng.random() < 0.2:
        return [rng.choice(("--missing", "--missing=1", "--\x1b[31m"))]
    return [f"{rng.choice(typed).option_strings[-1]}={rng.choice(_NOT_NUMBERS)}"]


def _draw_circumstances(rng: Random) -> dict[str, Any]:
    """Return a removed directory, a full disk, or streams: each is broken now and then."""
    chance = rng.random()
    if chance < 0.03:
        return {"removes_cwd": True}
    if chance < 0.1:  # enough for an error on stderr, but not for a model
        return {"disk": rng.choice((2_000, 8_000)), "streams": Streams(stdout=os.devnull)}
    stdin = rng.choice(_STDIN) or Streams().stdin
    stdout = rng.choice(("/dev/full", "-", "|")) if rng.random() < 0.1 else ""
    stderr = rng.choice(("/dev/full", "-", "|")) if rng.random() < 0.05 else ""
    return {"streams": Streams(stdin, stdout, stderr)}
