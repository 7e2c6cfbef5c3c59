"""What a program contributes to the shared commands: its name, its own flags, and its backend, which computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.cli.parser import Options
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.training.engine import Engine, Moments
from numpy_gpt.shared.training.recipe import Recipe


class InitialState(NamedTuple):
    """What an engine starts from: new values, or the values and moments of a checkpoint.

    If ``values`` are an EMA of the weights, ``trained`` are the weights with which training continues.
    """

    values: Mapping[str, Array]
    moments: Moments | None
    tokenizer: Tokenizer
    engine_state: Mapping[str, Any] | None = None
    trained: Mapping[str, Array] | None = None


def initial_state_of(checkpoint: Checkpoint) -> InitialState:
    """Return the state from which an engine resumes a checkpoint."""
    return InitialState(
        checkpoint.values, checkpoint.moments, checkpoint.tokenizer, checkpoint.engine_state, checkpoint.trained
    )


class Backend(NamedTuple):
    """What computes for a command; ``recipe_defaults`` are recipe fields that suit it and that users can override."""

    make_engine: Callable[[Recipe, InitialState], Engine]
    recipe_defaults: Mapping[str, Any] = {}


class OpenBackend(Protocol):
    """Opens a program's backend."""

    def __call__(
        self, arguments: argparse.Namespace, *, trains: bool = False, run: Path | None = None
    ) -> AbstractContextManager[Backend]:
        """Read the program's own flags and return their backend, which is closed when the command ends.

        ``trains`` is True for ``train``; ``run`` is then its run directory, if the user gave one.
        """


@dataclass(frozen=True)
class Program:
    """A program: its name, the default preset of its ``train`` command, its own flags and its backend."""

    name: str
    default_preset: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    open_backend: OpenBackend


def set_command(
    parser: argparse.ArgumentParser,
    program: Program,
    read: Callable[[argparse.Namespace], Options],
    run: Callable[[Options, Backend], int],
) -> None:
    """Add the program's own flags, and make the parser's ``command`` read all flags, open the backend and ``run``."""
    program.add_flags(parser)

    def command(arguments: argparse.Namespace) -> int:
        options = read(arguments)
        with program.open_backend(arguments) as backend:
            return run(options, backend)

    parser.set_defaults(command=command)


class Command(NamedTuple):
    """A command: its name, what it does, its flags, examples without the program's name, and a note for its help.

    ``add_flags`` also sets the parser's ``command``, a function from the parsed arguments to the exit status.
    """

    name: str
    purpose: str
    add_flags: Callable[[argparse.ArgumentParser, Program], None]
    examples: tuple[str, ...]
    note: str = ""
