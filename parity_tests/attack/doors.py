"""The programs under attack: where each starts, and the exit statuses that it documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple
from unittest.mock import patch

_TRAINER = (0, 2, 130, 143)
_BENCHMARKS = (
    "attention corpora cuda divergence growth processes recipe_search sampling teaching_projects training_step".split()
)


class Door(NamedTuple):
    """A program: the module of its ``main``, its documented exit statuses, and whether it is a benchmark."""

    module: str
    statuses: tuple[int, ...]
    is_benchmark: bool = False

    @property
    def main(self) -> Callable[[Sequence[str]], int | None]:
        """The function that its console script calls."""
        return import_module(self.module).main


DOORS = {
    "numpy_gpt": Door("numpy_gpt.cli", (1, *_TRAINER)),  # 1: golden check
    "torch_gpt": Door("torch_gpt.cli", _TRAINER),
    "handcalc.trace": Door("handcalc.trace", (0, 2, 130)),
    "handcalc.verify": Door("handcalc.verify", (0, 1, 2, 130)),
    "handcalc.exercise": Door("handcalc.exercise", (0, 1, 2, 130)),
    "handcalc.averaging": Door("handcalc.averaging", (0, 2, 130)),
} | {f"benchmarks.{name}": Door(f"benchmarks.{name}", (2,), is_benchmark=True) for name in _BENCHMARKS}


class _Captured(BaseException):
    """Carries a parser out of the program that has just built it."""


def parser_of(door: Door) -> argparse.ArgumentParser:
    """Return the parser that the program builds, with all its commands and options."""

    def capture(parser: argparse.ArgumentParser, *_: Any) -> None:
        raise _Captured(parser)

    with patch.object(argparse.ArgumentParser, "parse_args", capture):
        try:
            door.main([])
        except _Captured as captured:
            return captured.args[0]
    raise ValueError(f"{door.module} reads no command line")


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return a program's commands by name, such as ``golden pack``; one without commands is its own, without a name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inside = [(name, commands_of(choice)) for name, choice in action.choices.items()]
            return {f"{name} {inner}".strip(): found for name, every in inside for inner, found in every.items()}
    return {"": parser}
