"""``edit``: change single weights of a model, and save it as a new one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from gpt_data.wording import count_of, show_path
from numpy_gpt.shared.cli.model_choice import (
    OUT_DIR_HELP,
    ModelChoice,
    add_model_flags,
    load_model,
    read_model_choice,
)
from numpy_gpt.shared.cli.parser import path
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.runs.checkpoint import save_checkpoint
from numpy_gpt.shared.runs.edits import edit_weights, read_edit

SET_HELP = 'change this weight, as in --set "wte.weight[31,0]=0"; can be repeated'


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    add_model_flags(parser)
    parser.add_argument("--set", action="append", default=[], metavar="WEIGHT=NUMBER", help=SET_HELP)
    parser.add_argument("--out_dir", type=path, required=True, metavar="DIR", help=OUT_DIR_HELP)
    parser.set_defaults(
        command=lambda arguments: edit_model(read_model_choice(arguments), arguments.set, arguments.out_dir)
    )


EDIT = Command(
    "edit",
    "change single weights of a model, and save it as a new one",
    _add_flags,
    ('edit runs/tiny --set "wte.weight[31,0]=0" --out_dir runs/edited',),
    "Names, indices and values of all weights: numpy_gpt parameters. handcalc.trace --set tries a change out.",
)


def edit_model(choice: ModelChoice, changes: Sequence[str], out_dir: Path) -> int:
    """Save a changed copy of a run's checkpoint in ``out_dir`` and return the exit status.

    Raises
    ------
    UserError
        If nothing is changed, a weight does not exist, or ``out_dir`` is the model itself or cannot be written.
    """
    if not changes:
        raise UserError(f"say what to change: {SET_HELP}")
    model = load_model(choice.run, choice.checkpoint)
    changed = edit_weights(model, map(read_edit, changes))
    if model.path is not None and out_dir.resolve() in (model.path.resolve(), choice.run.resolve()):
        raise UserError(f"--out_dir {show_path(out_dir)} is the model itself; choose another place")
    save_checkpoint(out_dir, changed)
    count = count_of(len(changes), "weight")
    print_prose(f"saved {show_path(out_dir)}: {count} changed, everything else as in {show_path(choice.run)}")
    return 0
