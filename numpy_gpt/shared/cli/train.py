"""``train``: a new run of a recipe, or a resumed one (``--resume``): parameter table, training, and a summary."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.streams import finish_without_output
from gpt_data.terminal import page_style, print_prose
from gpt_data.texts.corpora import CORPORA, Corpus, fingerprint, open_dataset
from gpt_data.tokens.token_text import stream_text
from gpt_data.wording import count_of, quote, show_path
from numpy_gpt.shared.cli.choices import (
    PRECEDENCE,
    RecipeChoice,
    add_recipe_flags,
    load_recipe,
    read_recipe_choice,
)
from numpy_gpt.shared.cli.evaluate import LossFloor, loss_floor_of
from numpy_gpt.shared.cli.model_choice import load_model
from numpy_gpt.shared.cli.parameters import parameter_table
from numpy_gpt.shared.cli.parser import path, print_record, read_options
from numpy_gpt.shared.cli.program import Backend, Command, InitialState, Program, initial_state_of
from numpy_gpt.shared.cli.progress import display_for
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.metrics import TensorBoardLog
from numpy_gpt.shared.runs.run_directory import contains_run, lock_run, new_directory
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.runs.snapshots import SNAPSHOTS, snapshots_of
from numpy_gpt.shared.training.engine import Engine
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
    """A new or resumed run, ready to train; ``out_dir`` is None for the first free directory in runs."""

    recipe: Recipe
    corpus: Corpus
    initial: InitialState
    state: RunState
    out_dir: Path | None


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``train``."""
    add_recipe_flags(parser, program.default_preset)
    parser.add_argument("--resume", type=path, metavar="RUN", help="continue a run from its newest checkpoint")
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
        "train --resume runs/tiny",
    ),
    PRECEDENCE,
)


@finish_without_output()
def train(options: TrainOptions, backend: Backend) -> int:
    """Train according to the flags and return the exit status."""
    start_time = time.perf_counter()
    resume = options.resume
    run = new_run(options, backend) if resume is None else resumed_run(resume, options)
    recipe, corpus, _, state, _ = run
    floor = loss_floor_of(recipe, corpus)
    engine = backend.make_engine(recipe, run.initial)
    with ExitStack() as stack:
        out_dir = open_out_dir(run, engine.group, stack)
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
    """Return a run of the recipe that is chosen, with initial values.

    Raises
    ------
    UserError
        If the recipe is invalid, its text does not fit or cannot be had, or the run directory already contains a run.
    """
    recipe, corpus = load_recipe(options.recipe, backend.recipe_defaults)
    out_dir = options.out_dir
    if out_dir is not None and contains_run(out_dir):
        place = show_path(out_dir)
        raise UserError(f"{place} already contains a run; continue it with --resume {place}, or choose another place")
    if out_dir is not None and snapshots_of(out_dir):
        raise UserError(
            f"{show_path(out_dir)} contains snapshots of another run; remove them with `snapshots --remove`, "
            "or choose another place"
        )
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.weights_dtype)
    return PlannedRun(recipe, corpus, InitialState(values, None, corpus.tokenizer), RunState(), out_dir)


def open_out_dir(run: PlannedRun, group: ProcessGroup, stack: ExitStack) -> Path:
    """Return the run directory, which the main process creates if necessary and locks until the stack is closed."""
    out_dir = run.out_dir or Path("runs") / run.recipe.name
    if group.rank == 0:
        out_dir = run.out_dir or stack.enter_context(new_directory(out_dir))
        stack.enter_context(lock_run(out_dir))
    return group.broadcast(out_dir)


def resumed_run(run: Path, options: TrainOptions) -> PlannedRun:
    """Return what continues a run from its newest checkpoint.

    Raises
    ------
    UserError
        If there is no training to resume, its text has changed, or anything else is chosen that the run determines.
    """
    _check_nothing_else_chosen(options)
    checkpoint = load_model(run)
    recipe = stored_recipe(checkpoint)
    whole = f"; give {show_path(run.parent.parent)}" if run.parent.name in ("checkpoints", SNAPSHOTS) else ""
    if recipe is None or checkpoint.moments is None or checkpoint.state is None:
        raise UserError(f"{show_path(run)} has a model but no training state{whole or '; start a new run'}")
    if checkpoint.path == run:
        raise UserError(f"--resume must be a run directory, but {show_path(run)} is a single checkpoint{whole}")
    moved_to = options.recipe.fields.get("dataset")
    recipe = recipe.override({} if moved_to is None else {"dataset": moved_to})
    corpus = _load_same_corpus(run, checkpoint, recipe, options.recipe.source)
    return PlannedRun(recipe, corpus, initial_state_of(checkpoint), checkpoint.state, run)


def _check_nothing_else_chosen(options: TrainOptions) -> None:
    choice = options.recipe
    flags = [f"--{name}" for name in sorted(choice.fields) if name != "dataset"]  # the same text may have moved
    flags += ["the preset"] * (choice.preset is not None)
    flags += [f"--{name}" for name, value in (("config", choice.config), ("out_dir", options.out_dir)) if value]
    if flags:
        raise UserError(f"a resumed run keeps its recipe and directory; leave out {flags[0]}")


def _load_same_corpus(run: Path, checkpoint: Checkpoint, recipe: Recipe, source: Path | None) -> Corpus:
    try:
        corpus = open_dataset(recipe.dataset, source, checkpoint.tokenizer)
    except UserError as error:
        if recipe.dataset in CORPORA:
            raise
        raise UserError(f"{error}; if the run's text has moved, give --dataset") from error
    if checkpoint.corpus != fingerprint(corpus):
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
