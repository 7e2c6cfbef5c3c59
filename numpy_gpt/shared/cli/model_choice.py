"""The trained model that a command line chooses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from gpt_data.terminal import print_prose
from gpt_data.wording import show_path
from numpy_gpt.shared.cli.parser import path, read_options
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import WHICH, load_checkpoint
from numpy_gpt.shared.runs.run_state import steps_taken

MODEL_HELP = "a run directory, or a model of another program, such as GPT-2's directory (default: the model that ships)"
OUT_DIR_HELP = "a new or empty directory, or that of an earlier import or edit, which is replaced"


class ModelChoice(NamedTuple):
    """Which trained model to use: a run directory, and which of its checkpoints."""

    run: Path
    checkpoint: str


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose a trained model."""
    parser.add_argument("run", type=path, nargs="?", default=SHIPPED_MODEL, help=MODEL_HELP)
    what = "which checkpoint of the run (default: last)"
    parser.add_argument("--checkpoint", choices=WHICH, default="last", help=what)


def read_model_choice(arguments: argparse.Namespace) -> ModelChoice:
    """Return what the flags of ``add_model_flags`` choose."""
    return read_options(ModelChoice, arguments)


def load_model(run: Path, which: str = "last") -> Checkpoint:
    """Return a checkpoint of a run, or a model of another program.

    If the newest checkpoint is damaged, it is the one before it, with a warning on stderr; notes on a foreign model are
    printed there, too.
    """
    if run != SHIPPED_MODEL:
        from numpy_gpt.shared.interchange.reading.place import is_foreign, read_foreign  # start-up time matters

        if is_foreign(run):
            model = read_foreign(run)
            for note in model.notes:
                print_prose(f"note: {note}", sys.stderr)
            return model.checkpoint
    return load_checkpoint(run, which, warn=lambda damage: print_prose(f"warning: {damage}", sys.stderr))


def describe_model(step: int, choice: ModelChoice) -> str:
    """Return in words which model was chosen, and after how many steps of training."""
    best = ", best checkpoint" if choice.checkpoint == "best" else ""
    return f"{name_model(choice.run)}{best}{steps_taken(step, ', ')}"


def name_model(place: Path) -> str:
    """Return what to call the model in this place."""
    return "the model that ships" if place == SHIPPED_MODEL else show_path(place)
