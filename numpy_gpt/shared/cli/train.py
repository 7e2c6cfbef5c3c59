"""``train``: recipe from preset, file and flags; table, training, and what came out of it."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.texts.corpora import CORPORA, Corpus, fingerprint, open_dataset
from gpt_data.wording import show_path
from numpy_gpt.shared.cli.floor import Floor, loss_floor_of
from numpy_gpt.shared.cli.parameter_table import parameter_table
from numpy_gpt.shared.cli.parser import print_record, recipe_changes
from numpy_gpt.shared.cli.program import InitialState, Program, initial_state_of
from numpy_gpt.shared.cli.progress import display_for
from numpy_gpt.shared.cli.recipe_choice import add_recipe_choice, check_corpus, chosen_recipe
from numpy_gpt.shared.cli.token_text import counted
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.randomness import sampling_uniforms
from numpy_gpt.shared.runs.run_directory import load_newest
from numpy_gpt.shared.runs.run_lock import only_process
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.training.engine_protocol import Engine
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.tensorboard import TensorBoardLog
from numpy_gpt.shared.training.trainer import train

SCHEMA_VERSION = 2
_SAMPLE_TOKENS = 40


def add_train_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Give the parser what both twins' ``train`` takes."""
    add_recipe_choice(parser, program.default_preset)
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run from its newest checkpoint")
    parser.add_argument("--out_dir", type=Path, metavar="DIR", help="run directory (default: runs/PRESET, or -2 …)")
    parser.add_argument("--tensorboard", action="store_true", help="write the metrics for TensorBoard as well")
    parser.add_argument("--json", action="store_true", help="make the last line of stdout one JSON record")
    program.add_flags(parser)
    parser.set_defaults(command=lambda arguments: train_command(program, arguments))


def train_command(program: Program, arguments: argparse.Namespace) -> int:
    """Train as the flags say and return the exit status."""
    began = time.perf_counter()
    recipe, corpus, start, state, out_dir = (_resumed if arguments.resume else _fresh)(arguments)
    logs = [TensorBoardLog(out_dir, state)] if arguments.tensorboard else []
    floor = loss_floor_of(recipe, corpus)
    engine = program.make_engine(recipe, start, arguments)
    with ExitStack() as stack:
        if engine.team.rank == 0:
            stack.enter_context(only_process(out_dir))
        print(parameter_table(recipe.model))
        for log in logs:
            stack.enter_context(log)
        display = stack.enter_context(display_for(recipe.training.max_iters, state.step))
        state = train(recipe, engine, corpus, out_dir, display, state, logs)
    _conclude(recipe, engine, corpus, state, floor, out_dir)
    if arguments.json:
        print_record(record_of(recipe, state, floor, time.perf_counter() - began, out_dir))
    return 0


_Beginning = tuple[Recipe, Corpus, InitialState, RunState, Path]


def _fresh(arguments: argparse.Namespace) -> _Beginning:
    recipe, corpus = chosen_recipe(arguments)
    out_dir = arguments.out_dir or free_directory(Path("runs") / recipe.name)
    if (out_dir / "checkpoints").exists() or (out_dir / "metrics.jsonl").exists():
        place = show_path(out_dir)
        raise UserError(f"{place} holds a run already; go on with it by --resume {place}, or choose another place")
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.weights_dtype)
    return recipe, corpus, InitialState(values, None, corpus.tokenizer), RunState(), out_dir


def _resumed(arguments: argparse.Namespace) -> _Beginning:
    given = [name for name in ("preset", "config", "out_dir") if getattr(arguments, name)]
    changes = recipe_changes(arguments)
    moved = {name: changes.pop(name) for name in ("dataset",) if name in changes}  # the text is the same all the same
    if refused := sorted(changes) + given:
        raise UserError(f"a resumed run keeps its recipe and place; leave out {refused[0]}")
    run = arguments.resume
    checkpoint, damage = load_newest(run)
    if damage:
        print(f"warning: {damage}", file=sys.stderr)
    if checkpoint.recipe is None or checkpoint.moments is None or checkpoint.state is None:
        raise UserError(f"{show_path(run)} holds a model but no training state; train it anew")
    if checkpoint.path == run:
        whole = f"; give {show_path(run.parent.parent)}" if run.parent.name == "checkpoints" else ""
        raise UserError(f"--resume must be a run directory, and {show_path(run)} is a single checkpoint{whole}")
    recipe = Recipe.from_dict(checkpoint.recipe).override(moved)
    try:
        corpus = open_dataset(recipe.dataset, arguments.source)
    except UserError as error:
        if recipe.dataset in CORPORA:
            raise
        raise UserError(f"{error}; or say by --dataset where the run's text is now") from error
    check_corpus(recipe, corpus)
    if checkpoint.corpus != fingerprint(corpus):
        raise UserError(
            f"{show_path(run)} was trained on another text than {recipe.dataset!r} is now; "
            "bring that back, say by --dataset where it is now, or train anew"
        )
    return recipe, corpus, initial_state_of(checkpoint), RunState.from_dict(checkpoint.state), run


def free_directory(wanted: Path) -> Path:
    """Return the first of ``wanted``, wanted-2, wanted-3 … that is not there yet."""
    candidate, number = wanted, 1
    while candidate.exists():
        number += 1
        candidate = wanted.with_name(f"{wanted.name}-{number}")
    return candidate


def _conclude(
    recipe: Recipe, engine: Engine, corpus: Corpus, state: RunState, floor: Floor | None, out_dir: Path
) -> None:
    if state.step < recipe.training.max_iters:
        waited = counted(state.evaluations_since_best, "evaluation")
        print(f"\nstopped early, after step {state.step}: {waited} brought nothing better")
    print(f"\nvalidation loss {state.evaluated.val_loss:.4f} nats per token")
    if state.best_step != state.step:
        print(f"the best was {state.best_val_loss:.4f} after step {state.best_step}: --checkpoint best")
    if floor is not None:
        print(f"lowest possible {floor.loss:.4f}: {floor.why}")
    prompt = corpus.train[:1].tolist()
    drawn = engine.draws(prompt, sampling_uniforms(recipe.training.seed, _SAMPLE_TOKENS))
    tokens = prompt + [draw.token for draw in drawn]
    known = [token for token in tokens if token < corpus.tokenizer.vocab_size]  # a vocabulary may be padded
    print(f"sample: {corpus.tokenizer.decode(known)}")
    print(f"run directory: {show_path(out_dir)}")


def record_of(
    recipe: Recipe, state: RunState | None, floor: Floor | None, seconds: float, out_dir: Path
) -> dict[str, Any]:
    """Return what ``--json`` prints of a run; without a state, as of one that diverged, its losses are None."""
    evaluation = state and state.evaluated
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
