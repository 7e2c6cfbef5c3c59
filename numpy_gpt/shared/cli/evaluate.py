"""``evaluate``: a model's losses over both whole splits, and nanoGPT's estimate beside them."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from gpt_data.errors import UserError
from gpt_data.texts.corpora import open_dataset
from numpy_gpt.shared.cli.floor import loss_floor_of
from numpy_gpt.shared.cli.parser import or_none, print_record, whole_number
from numpy_gpt.shared.cli.program import Program, add_model_flags, chosen_model, engine_for, recipe_of
from numpy_gpt.shared.cli.recipe_choice import add_source_flag, check_corpus
from numpy_gpt.shared.training.evaluation import evaluate, loss_estimates

SCHEMA_VERSION = 1


def add_evaluate_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Give the parser what both twins' ``evaluate`` takes."""
    add_model_flags(parser)
    parser.add_argument(
        "--dataset", metavar="NAME", help="another text than the model was trained on, of the same vocabulary"
    )
    add_source_flag(parser)
    parser.add_argument(
        "--eval_iters",
        metavar="N",
        type=whole_number,
        default=200,
        help="random batches of the estimate (default: 200)",
    )
    parser.add_argument(
        "--eval_stride",
        metavar="N",
        type=or_none(whole_number),
        default=argparse.SUPPRESS,
        help="distance of windows; none: block_size (default: the recipe's)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON record in place of the table")
    program.add_flags(parser)
    parser.set_defaults(command=lambda arguments: evaluate_command(program, arguments))


def evaluate_command(program: Program, arguments: argparse.Namespace) -> int:
    """Evaluate, print the losses, and return the exit status."""
    model = chosen_model(arguments)
    recipe = recipe_of(model)
    given = {"eval_iters", "eval_stride"} & vars(arguments).keys()
    recipe = recipe.override({name: getattr(arguments, name) for name in given})
    recipe = replace(recipe, dataset=arguments.dataset or recipe.dataset)
    if not recipe.dataset:
        raise UserError("this model does not say what it was trained on; give --dataset")
    corpus = open_dataset(recipe.dataset, arguments.source)
    if corpus.tokenizer != model.tokenizer:
        raise UserError(f"the corpus {corpus.name!r} has another vocabulary than the model; give the one it knows")
    check_corpus(recipe, corpus)
    engine = engine_for(program, model, arguments, recipe)
    block_size, stride = recipe.model.block_size, recipe.eval_stride
    whole = [evaluate(engine, tokens, block_size, stride) for tokens in (corpus.train, corpus.val)]
    if not all(map(math.isfinite, whole)):
        raise UserError(f"the losses must be finite, but are {whole[0]} and {whole[1]}; is the model damaged?")
    estimates = loss_estimates(engine, recipe, corpus, model.step)
    floor = loss_floor_of(recipe, corpus)
    if arguments.json:
        names = ("train_loss", "val_loss", "train_estimate", "val_estimate", "loss_floor")
        figures = dict(zip(names, (*whole, *estimates, floor and floor.loss), strict=True))
        print_record({"schema_version": SCHEMA_VERSION, "step": model.step, **figures})
        return 0
    print(f"after {model.step} steps, in nats per token: windows of {block_size} at distance {stride}\n")
    print(f"{'split':<12} {'tokens':>10} {'whole split':>12} {'estimate':>10}")
    for name, tokens, loss, estimate in zip(
        ("training", "validation"), (corpus.train, corpus.val), whole, estimates, strict=True
    ):
        print(f"{name:<12} {len(tokens):10,} {loss:12.6f} {'-' if estimate is None else f'{estimate:.6f}':>10}")
    if floor is not None:
        print(f"\nlowest possible on validation {floor.loss:.4f}: {floor.why}")
    return 0
