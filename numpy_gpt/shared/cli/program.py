"""What a twin brings to the shared commands: its name, its own flags, and how its engine is made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import WHICH, load_checkpoint, load_newest
from numpy_gpt.shared.training.engine import Engine, Moments
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig


class InitialState(NamedTuple):
    """What an engine starts from: fresh values, or a checkpoint's with its moments.

    Where the values are averages, ``trained`` are the weights that training goes on with.
    """

    values: Mapping[str, Array]
    moments: Moments | None
    tokenizer: Tokenizer
    engine_state: Mapping[str, Any] | None = None
    trained: Mapping[str, Array] | None = None


MakeEngine = Callable[[Recipe, InitialState, argparse.Namespace], Engine]


@dataclass(frozen=True)
class Program:
    """A program: what it is called, what its ``train`` trains by itself, and what its commands take and do."""

    name: str
    default_preset: str
    make_engine: MakeEngine
    add_flags: Callable[[argparse.ArgumentParser], None]


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser what names a trained model."""
    parser.add_argument(
        "run", type=Path, nargs="?", default=SHIPPED_MODEL, help="a run directory (default: the model that ships)"
    )
    parser.add_argument("--checkpoint", choices=WHICH, default="last", help="which one of the run (default: last)")


def chosen_model(arguments: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint that ``add_model_flags``' arguments name; damage that it steps over is said on stderr."""
    if arguments.checkpoint == "last":
        checkpoint, damage = load_newest(arguments.run)
        if damage:
            print(f"warning: {damage}", file=sys.stderr)
        return checkpoint
    return load_checkpoint(arguments.run, arguments.checkpoint)


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """Return the recipe that a model was trained by; one that came without has the default training numbers."""
    if checkpoint.recipe is None:
        recipe = Recipe(name="model", dataset="", model=checkpoint.config, training=TrainingConfig())
    else:
        recipe = Recipe.from_dict(checkpoint.recipe)
    dtype = next(iter(checkpoint.values.values())).dtype.name  # which `rebuild` may have changed
    return replace(recipe, model=checkpoint.config, training=replace(recipe.training, dtype=dtype))


def initial_state_of(checkpoint: Checkpoint) -> InitialState:
    """Return what an engine goes on from."""
    return InitialState(
        checkpoint.values, checkpoint.moments, checkpoint.tokenizer, checkpoint.engine_state, checkpoint.trained
    )


def engine_for(
    program: Program, checkpoint: Checkpoint, arguments: argparse.Namespace, recipe: Recipe | None = None
) -> Engine:
    """Return the twin's engine for a trained model, with its moments where it has any."""
    start = initial_state_of(checkpoint)
    return program.make_engine(recipe or recipe_of(checkpoint), start, arguments)
