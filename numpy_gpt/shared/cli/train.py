"""``train``: a new run of a recipe, or a resumed one (``--resume``): parameter table, training, and a summary."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.streams import finish_without_output
from gpt_data.terminal import page_style, print_prose
from gpt_data.texts.corpora import CORPORA, Corpus
from gpt_data.texts.re_encoding import reopen_dataset
from gpt_data.tokens.token_text import stream_text
from gpt_data.wording import count_of, quote, show_path
from numpy_gpt.shared.cli.choices import (
    PRECEDENCE,
    RecipeChoice,
    add_recipe_flags,
    initial_run,
    print_notes,
    read_recipe_choice,
)
from numpy_gpt.shared.cli.evaluate import LossFloor, loss_floor_of
from numpy_gpt.shared.cli.model_choice import load_model
from numpy_gpt.shared.cli.parameters import parameter_table
from numpy_gpt.shared.cli.parser import path, print_record, read_options
from numpy_gpt.shared.cli.program import Backend, Command, InitialState, Program, initial_state_of
from numpy_gpt.shared.cli.progress import display_for
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.runs.checkpoint import MANIFEST, Checkpoint
from numpy_gpt.shared.runs.metrics import TensorBoardLog
from numpy_gpt.shared.runs.run_directory import contains_run, lock_run, new_directory, save_in_run
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.runs.snapshots import SNAPSHOTS, snapshots_of
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.extension import CHANGEABLE, check_end, describe_extension, extended_state
from numpy_gpt.shared.training.process_group import ProcessGroup
from numpy_gpt.shared.training.randomness import sampling_uniforms
from numpy_gpt.shared.training.recipe import Recipe, stored_recipe
from numpy_gpt.shared.training.trainer import train as train_run

SCHEMA_VERSION = 2
_SAMPLE_TOKENS = 40


class TrainOptions(NamedTuple):
    """The flags of ``train``."""

    recipe: RecipeChoice
    resume: Path | None
    out_dir: Path | None
    tensorboard: bool
    json: bool


class PlannedRun(NamedTuple):
    """A new or resumed run, ready to train; ``out_dir`` is None for the first free directory in runs.

    ``notes`` are for the user. ``changed`` is the checkpoint of a resumed run with a changed recipe, which is written
    first: whatever interrupts the run after that, the change is not forgotten.
    """

    recipe: Recipe
    corpus: Corpus
    initial: InitialState
    state: RunState
    out_dir: Path | None
    notes: tuple[str, ...] = ()
    changed: Checkpoint | None = None


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``train``."""
    add_recipe_flags(parser, program.default_preset)
    what = "continue a run from its newest checkpoint; only --max_iters and --lr_decay_iters may change"
    parser.add_argument("--resume", type=path, metavar="RUN", help=what)
    parser.add_argument("--out_dir", type=path, metavar="DIR", help="run directory (default: runs/PRESET, or -2 …)")
    parser.add_argument("--tensorboard", action="store_true", help="also write the metrics for TensorBoard")
    parser.add_argument("--json", action="store_true", help="make the last line of stdout one JSON record")
    program.add_flags(parser)

    def command(arguments: argparse.Namespace) -> int:
        choice = read_recipe_choice(arguments, program.default_preset)
        options = read_options(TrainOptions, arguments, recipe=choice)
        with program.open_backend(arguments, trains=True, run=options.resume or options.out_dir) as backend:
            return train(options, backend)

    parser.set_defaults(command=command)


TRAIN = Command(
    "train",
    "train a model",
    _add_flags,
    (
        "train tiny",
        "train tiny --n_embd 12 --max_iters 1000 --seed 7 --dtype float64 --json",
        "train bigram --max-iters=200 --eval_interval 100 --source input.txt",
        "train --config recipe.toml --learning_rate 1e-3",
        "train tiny --dataset my-text --eval_stride none --patience 3 --tensorboard",
        "train tiny --max_iters 2000 --snapshots 8 --out_dir runs/growth",
        "train --init_from runs/tiny --learning_rate 1e-3 --out_dir runs/tuned",
        "train --resume runs/tiny",
        "train --resume runs/tiny --max_iters 9000",
    ),
    PRECEDENCE,
)


@finish_without_output()
def train(options: TrainOptions, backend: Backend) -> int:
    """Train according to the flags and return the exit status."""
    start_time = time.perf_counter()
    resume = options.resume
    run = new_run(options, backend) if resume is None else resumed_run(resume, options)
    recipe, corpus, state = run.recipe, run.corpus, run.state
    floor = loss_floor_of(recipe, corpus)
    engine = backend.make_engine(recipe, run.initial)
    with ExitStack() as stack:
        out_dir = open_out_dir(run, engine.group, stack)
        print_notes(run.notes)
        logs = [TensorBoardLog(out_dir, state)] if options.tensorboard else []
        print("\n".join(parameter_table(recipe.model, page_style())))
        for log in logs:
            stack.enter_context(log)
        display = stack.enter_context(display_for(recipe.training.max_iters, state.step, bar=not engine.prints))
        state = train_run(recipe, engine, corpus, out_dir, display, state, logs)
    _print_summary(recipe, state, floor)
    print(f"sample: {_sample_text(engine, recipe, corpus)}")
    print(f"run directory: {show_path(out_dir)}")
    if options.json:
        print_record(run_record(recipe, state, floor, time.perf_counter() - start_time, out_dir))
    return 0


def new_run(options: TrainOptions, backend: Backend) -> PlannedRun:
    """Return a run of the recipe that is chosen, with its initial weights.

    Raises
    ------
    UserError
        If the recipe is invalid, its text does not fit or cannot be had, or the run directory already contains a run.
    """
    start, out_dir = initial_run(options.recipe, backend.recipe_defaults), options.out_dir
    if out_dir is not None and contains_run(out_dir):
        place = show_path(out_dir)
        raise UserError(f"{place} already contains a run; continue it with --resume {place}, or choose another place")
    if out_dir is not None and snapshots_of(out_dir):
        raise UserError(
            f"{show_path(out_dir)} contains snapshots of another run; remove them with `snapshots --remove`, "
            "or choose another place"
        )
    if out_dir is not None and os.path.lexists(out_dir / MANIFEST):
        raise UserError(f"{show_path(out_dir)} contains a model, which a run there would hide; choose another place")
    return PlannedRun(start.recipe, start.corpus, start.state(), RunState(), out_dir, start.notes)


def open_out_dir(run: PlannedRun, group: ProcessGroup, stack: ExitStack) -> Path:
    """Return the run directory, which the main process creates if necessary and locks until the stack is closed.

    A changed recipe is stored there.
    """
    out_dir = run.out_dir or Path("runs") / run.recipe.name
    if group.rank == 0:
        out_dir = run.out_dir or stack.enter_context(new_directory(out_dir))
        stack.enter_context(lock_run(out_dir))
        if run.changed is not None:
            save_in_run(out_dir, run.changed)
    return group.broadcast(out_dir)


def resumed_run(run: Path, options: TrainOptions) -> PlannedRun:
    """Return what continues a run from its newest checkpoint, to another end if one is chosen.

    Raises
    ------
    UserError
        If there is no training to resume, its text has changed, it has already passed the end, or anything else is
        chosen that the run determines.
    """
    _check_nothing_else_chosen(options)
    checkpoint = load_model(run)
    recipe = stored_recipe(checkpoint)
    whole = f"; give {show_path(run.parent.parent)}" if run.parent.name in ("checkpoints", SNAPSHOTS) else ""
    if recipe is None or checkpoint.moments is None or checkpoint.state is None:
        remedy = whole or "; start a new run from its weights with --init_from"
        raise UserError(f"{show_path(run)} has a model but no training state{remedy}")
    if checkpoint.path == run:
        raise UserError(f"--resume must be a run directory, but {show_path(run)} is a single checkpoint{whole}")
    stored, recipe, state = recipe, recipe.override(options.recipe.fields), checkpoint.state
    check_end(recipe.training, state)
    corpus = _load_same_corpus(run, checkpoint, recipe, options.recipe.source)
    notes = [f"the run started from {recipe.init_from}"] * (recipe.init_from is not None)
    if recipe.training != stored.training:
        notes += describe_extension(stored.training, recipe.training, state)
        state = extended_state(stored.training, recipe.training, state)
    changed = None if recipe == stored else replace(checkpoint, recipe=recipe.to_dict(), state=state)
    return PlannedRun(recipe, corpus, initial_state_of(checkpoint), state, run, tuple(notes), changed)


def _check_nothing_else_chosen(options: TrainOptions) -> None:
    choice = options.recipe
    allowed = {"dataset", *CHANGEABLE}  # the same text may have moved
    flags = [f"--{name}" for name in sorted(choice.fields) if name not in allowed]
    flags += ["the preset"] * (choice.preset is not None)
    others = {"config": choice.config, "init_from": choice.init_from, "out_dir": options.out_dir}
    flags += [f"--{name}" for name, value in others.items() if value]
    if flags:
        raise UserError(
            f"a resumed run keeps its recipe and directory, except {' and '.join(CHANGEABLE)}; leave out {flags[0]}"
        )


def _load_same_corpus(run: Path, checkpoint: Checkpoint, recipe: Recipe, source: Path | None) -> Corpus:
    try:
        corpus = reopen_dataset(recipe.dataset, source, checkpoint.tokenizer, checkpoint.corpus)
    except UserError as error:
        if recipe.dataset in CORPORA:
            raise
        raise UserError(f"{error}; if the run's text has moved, give --dataset") from error
    if corpus is None:
        raise UserError(
            f"{show_path(run)} was trained on a different text from what {quote(recipe.dataset)} is now; "
            "restore that text, give --dataset if it has moved, or start a new run"
        )
    return corpus


def _print_summary(recipe: Recipe, state: RunState, floor: LossFloor | None) -> None:
    if state.step < recipe.training.max_iters:
        waited = count_of(state.evaluations_since_best, "evaluation")
        print()
        print_prose(f"stopped early, after step {state.step}: {waited} without improvement")
    print(f"\nvalidation loss {page_style()('value', f'{state.current_evaluation.val_loss:.4f}')} nats per token")
    if state.best_step != state.step:
        best = f"the best was {state.best_val_loss:.4f} after step {state.best_step}"
        print_prose(f"{best}; sample it with --checkpoint best")
    if floor is not None:
        print_prose(f"lowest possible {floor.loss:.4f}: {floor.reason}")


def _sample_text(engine: Engine, recipe: Recipe, corpus: Corpus) -> str:
    prompt = corpus.train[:1].tolist()
    draws = engine.draws(prompt, sampling_uniforms(recipe.training.seed, _SAMPLE_TOKENS))
    tokens = prompt + [draw.token for draw in draws]
    return stream_text(corpus.tokenizer, tokens)


def run_record(
    recipe: Recipe, state: RunState | None, floor: LossFloor | None, seconds: float, out_dir: Path
) -> dict[str, Any]:
    """Return the record of ``--json``; a diverged run has no state, and its losses are None."""
    evaluation = state and state.current_evaluation
    return {
        "schema_version": SCHEMA_VERSION,
        "preset": recipe.name,
        "parameters": parameter_count(recipe.model),
        "steps": state and state.step,
        "train_loss": evaluation and evaluation.train_loss,
        "val_loss": evaluation and evaluation.val_loss,
        "train_estimate": evaluation and evaluation.train_estimate,
        "val_estimate": evaluation and evaluation.val_estimate,
        "best_val_loss": state and state.best_val_loss,
        "best_step": state and state.best_step,
        "loss_floor": floor and floor.loss,
        "seconds": round(seconds, 3),
        "out_dir": str(out_dir),
    }
