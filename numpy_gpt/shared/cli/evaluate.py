"""``evaluate``: a model's losses over both whole splits, nanoGPT's estimates, and the lowest possible loss."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.floors.bigram_optimum import bigram_counts_loss, bigram_optimum
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.terminal import page_style, print_prose, wrap_prose
from gpt_data.texts.corpora import Corpus, open_dataset
from gpt_data.texts.re_encoding import re_encode
from numpy_gpt.shared.cli.choices import add_field_flag, add_source_flag, check_corpus, recipe_of
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import print_record, read_options
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.run_state import steps_taken
from numpy_gpt.shared.training.evaluation import evaluate as mean_loss_over
from numpy_gpt.shared.training.evaluation import loss_estimates
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

SCHEMA_VERSION = 1


class EvaluateOptions(NamedTuple):
    """The flags of ``evaluate``; ``fields`` contains the recipe fields given as flags."""

    model: ModelChoice
    dataset: str | None
    source: Path | None
    fields: dict[str, Any]
    json: bool


class LossFloor(NamedTuple):
    """The lowest possible loss in nats per token on the validation text, and what achieves it."""

    loss: float
    reason: str


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``evaluate``."""
    add_model_flags(parser)
    what = "a text other than the one the model was trained on, whose tokens it knows"
    parser.add_argument("--dataset", metavar="NAME", help=what)
    add_source_flag(parser)
    what = "random batches in nanoGPT's estimate of each loss (default: 200)"
    add_field_flag(parser.add_argument, TrainingConfig, "eval_iters", default=200, metavar="N", help=what)
    what = "distance between evaluation windows; none: block_size (default: the recipe's)"
    add_field_flag(parser.add_argument, TrainingConfig, "eval_stride", metavar="N", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON record instead of the table")
    set_command(parser, program, _read_options, evaluate)


def _read_options(arguments: argparse.Namespace) -> EvaluateOptions:
    fields = {name: value for name, value in vars(arguments).items() if name in ("eval_iters", "eval_stride")}
    return read_options(EvaluateOptions, arguments, model=read_model_choice(arguments), fields=fields)


EVALUATE = Command(
    "evaluate",
    "compute a model's losses over both whole splits",
    _add_flags,
    ("evaluate", "evaluate runs/tiny --checkpoint best --eval_iters 20 --json"),
)


def evaluate(options: EvaluateOptions, backend: Backend) -> int:
    """Evaluate, print the losses, and return the exit status."""
    model = load_model(*options.model)
    recipe, corpus = recipe_and_corpus(model, options.dataset, options.source, options.fields)
    engine = backend.make_engine(recipe, initial_state_of(model))
    block_size, stride = recipe.model.block_size, recipe.eval_stride
    losses = [mean_loss_over(engine, tokens, block_size, stride) for tokens in (corpus.train, corpus.val)]
    if not all(map(math.isfinite, losses)):
        raise UserError(f"the losses must be finite, but are {losses[0]} and {losses[1]}; is the model damaged?")
    estimates = loss_estimates(engine, recipe, corpus, model.step)
    floor = loss_floor_of(recipe, corpus)
    if options.json:
        names = ("train_loss", "val_loss", "train_estimate", "val_estimate", "loss_floor")
        values = dict(zip(names, (*losses, *estimates, floor and floor.loss), strict=True))
        print_record({"schema_version": SCHEMA_VERSION, "step": model.step, **values})
        return 0
    style = page_style()
    title = (
        f"losses in nats per token{steps_taken(model.step)}, over windows of {block_size} tokens at distance {stride}"
    )
    print(*(style("heading", line) for line in wrap_prose(title)), "", sep="\n")
    rows = [
        (name, f"{len(tokens):,}", f"{loss:.6f}", "-" if estimate is None else f"{estimate:.6f}")
        for name, tokens, loss, estimate in zip(
            ("training", "validation"), (corpus.train, corpus.val), losses, estimates, strict=True
        )
    ]
    whole = Column("whole split", role="value")
    columns = [Column("split", "left", role="name"), Column("tokens"), whole, Column("estimate")]
    print(*table_lines(columns, rows, style), sep="\n")
    if floor is not None:
        print()
        print_prose(f"lowest possible on validation {floor.loss:.4f}: {floor.reason}")
    return 0


def recipe_and_corpus(
    model: Checkpoint, dataset: str | None, source: Path | None, fields: Mapping[str, Any] | None = None
) -> tuple[Recipe, Corpus]:
    """Return a model's recipe, with other values of some fields, and its corpus or another in the model's ids.

    Raises
    ------
    UserError
        If the model's corpus is not known, there is no such corpus, or its tokens or length do not fit the model.
    """
    recipe = recipe_of(model).override(fields or {})
    recipe = replace(recipe, dataset=dataset or recipe.dataset)
    if not recipe.dataset:
        raise UserError("this model does not say what it was trained on; give --dataset")
    corpus = re_encode(open_dataset(recipe.dataset, source, model.tokenizer), model.tokenizer)
    check_corpus(recipe, corpus, "give a longer text")
    return recipe, corpus


def loss_floor_of(recipe: Recipe, corpus: Corpus) -> LossFloor | None:
    """Return the lowest loss of any bigram table, or of any model if the process that generated the text is known."""
    if isinstance(recipe.model, BigramConfig):
        vocab_size = corpus.tokenizer.vocab_size
        counted = bigram_counts_loss(corpus.train, corpus.val, vocab_size)
        lowest = bigram_optimum(corpus.train, vocab_size)
        reason = (
            "the loss of a table counted from the validation text itself; one counted from the training text has "
            f"{counted:.4f} there, and {lowest:.4f} on its own text, the lowest possible"
        )
        return LossFloor(bigram_optimum(corpus.val, vocab_size), reason)
    loss = corpus_loss_floor(corpus, "val", recipe.model.block_size, recipe.eval_stride)
    if loss is None:
        return None
    windows = f"the same {recipe.model.block_size}-token windows"
    return LossFloor(loss, f"the loss of an ideal predictor that knows how the text was generated, on {windows}")
