"""``train``, the same command for both twins: recipe from flags, table, training, and what came out of it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.corpora import Corpus, load_corpus
from gpt_data.errors import UserError
from gpt_data.loss_floor import corpus_loss_floor
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.checkpoint import load_checkpoint
from numpy_gpt.shared.command_line import add_recipe_flags, recipe_changes
from numpy_gpt.shared.initial_values import initial_values
from numpy_gpt.shared.names import parameter_count
from numpy_gpt.shared.parameter_table import parameter_table
from numpy_gpt.shared.presets import PRESETS, Recipe, preset
from numpy_gpt.shared.progress import display_for
from numpy_gpt.shared.trainer import Engine, Evaluation, Moments, train

SCHEMA_VERSION = 1
_SAMPLE_TOKENS = 40


class Start(NamedTuple):
    """Where training starts: fresh values, or a checkpoint's with its moments."""

    values: Mapping[str, Array]
    moments: Moments | None
    step: int


MakeEngine = Callable[[Recipe, Start, Corpus, argparse.Namespace], Engine]


def add_train_flags(parser: argparse.ArgumentParser, default_preset: str) -> None:
    """Give the parser what both twins' ``train`` takes."""
    parser.add_argument("preset", nargs="?", help=f"one of {', '.join(PRESETS)} (default: {default_preset})")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run from its newest checkpoint")
    parser.add_argument("--out_dir", type=Path, metavar="DIR", help="run directory (default: runs/PRESET, or -2 …)")
    parser.add_argument("--json", action="store_true", help="make the last line of stdout one JSON record")
    parser.set_defaults(default_preset=default_preset)
    add_recipe_flags(parser)


def train_command(arguments: argparse.Namespace, make_engine: MakeEngine) -> int:
    """Train as the flags say and return the exit status."""
    began = time.perf_counter()
    recipe, start, out_dir = _resumed(arguments) if arguments.resume else _fresh(arguments)
    corpus = load_corpus(recipe.dataset)
    if recipe.model.vocab_size < corpus.tokenizer.vocab_size:
        raise UserError(
            f"vocab_size={recipe.model.vocab_size} is too small for the corpus {corpus.name!r}; "
            f"try {corpus.tokenizer.vocab_size}"
        )
    floor = corpus_loss_floor(corpus, "val", recipe.model.block_size, recipe.training.eval_stride)
    print(parameter_table(recipe.model))
    engine = make_engine(recipe, start, corpus, arguments)
    with display_for(recipe.training.max_iters, start.step) as display:
        last = train(recipe, engine, corpus, out_dir, display, start.step)
    seconds = time.perf_counter() - began
    _conclude(recipe, engine, corpus, last, floor, out_dir)
    if arguments.json:
        print(json.dumps(_record(recipe, last, floor, seconds, out_dir)))
    return 0


def _fresh(arguments: argparse.Namespace) -> tuple[Recipe, Start, Path]:
    recipe = preset(arguments.preset or arguments.default_preset).override(recipe_changes(arguments))
    out_dir = arguments.out_dir or _free_directory(Path("runs") / recipe.name)
    if (out_dir / "checkpoints").exists() or (out_dir / "metrics.jsonl").exists():
        raise UserError(f"{out_dir} holds a run already; go on with it by --resume {out_dir}, or choose another place")
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    return recipe, Start(values, None, 0), out_dir


def _resumed(arguments: argparse.Namespace) -> tuple[Recipe, Start, Path]:
    changes = sorted(recipe_changes(arguments)) + ["preset"] * bool(arguments.preset)
    if changes or arguments.out_dir:
        raise UserError(f"a resumed run keeps its recipe and place; leave out {(changes or ['out_dir'])[0]}")
    checkpoint = load_checkpoint(arguments.resume)
    if checkpoint.recipe is None or checkpoint.moments is None:
        raise UserError(f"{arguments.resume} holds a model but no training state; train it anew")
    start = Start(checkpoint.values, checkpoint.moments, checkpoint.step)
    return Recipe.from_dict(checkpoint.recipe), start, arguments.resume


def _free_directory(wanted: Path) -> Path:
    candidate, number = wanted, 1
    while candidate.exists():
        number += 1
        candidate = wanted.with_name(f"{wanted.name}-{number}")
    return candidate


def _conclude(
    recipe: Recipe, engine: Engine, corpus: Corpus, last: Evaluation, floor: float | None, out_dir: Path
) -> None:
    print(f"\nvalidation loss {last.val_loss:.4f} nats per token")
    if floor is not None:
        print(
            f"lowest possible {floor:.4f}: what the best predictor, which knows how the text was made, "
            f"loses on the same windows of {recipe.model.block_size}"
        )
    prompt = corpus.train[:1].tolist()
    tokens = prompt + engine.sample(prompt, _SAMPLE_TOKENS)
    known = [token for token in tokens if token < corpus.tokenizer.vocab_size]  # a vocabulary may be padded
    print(f"sample: {corpus.tokenizer.decode(known)}")
    print(f"run directory: {out_dir}")


def _record(recipe: Recipe, last: Evaluation, floor: float | None, seconds: float, out_dir: Path) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "preset": recipe.name,
        "parameters": parameter_count(recipe.model),
        "steps": last.step,
        "train_loss": last.train_loss,
        "val_loss": last.val_loss,
        "loss_floor": floor,
        "seconds": round(seconds, 3),
        "out_dir": str(out_dir),
    }
