"""Our recipes compared with the projects that they are named after: ``python -m benchmarks.teaching_projects``.

Five small projects teach how a GPT works; four of them train a model. Each row trains one of our presets, changed where
necessary to the project's number of steps and shape, and evaluates it as the project evaluates its own.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.teaching_projects")

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.support.command import command_parser, markdown_row
from benchmarks.support.environment import describe_environment, environment_line
from benchmarks.support.text import Text, text_for
from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.words import WORDS
from gpt_data.wording import list_names, quote
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.evaluation import VAL_ESTIMATE, estimate, evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import learning_rate_at

BATCHES = 200  # random batches in an estimate
HEADER = (
    "project",
    "preset",
    "steps",
    "parameters",
    "its parameters",
    "its loss",
    "our loss",
    "validation loss",
    "seconds",
)
PROGRAMS = ("numpy_gpt", "torch_gpt")


def validation_estimate(engine: Engine, recipe: Recipe, text: Text) -> float:
    """Return the mean loss of random batches of the validation split."""
    return estimate(engine, text.val, recipe.override({"eval_iters": BATCHES}), VAL_ESTIMATE, recipe.training.max_iters)


def training_estimate(engine: Engine, recipe: Recipe, text: Text) -> float:
    """Return the mean loss of random batches of the training split."""
    return validation_estimate(engine, recipe, text._replace(val=text.train))


def last_letter(engine: Engine, _: Recipe, __: Text) -> float:
    """Return the mean loss of the last letter of all four-letter words, after a blank and the first three."""
    words = [word for word in WORDS if len(word) == 4]
    tokens = np.array([load_corpus("words").tokenizer.encode(f" {word}") for word in words])
    last = engine.predict(tokens[:, :-1])[:, -1]  # (words, V)
    return float(-np.log(last[np.arange(len(words)), tokens[:, -1]]).mean())


class Comparison(NamedTuple):
    """A project's result, and how to obtain ours: a preset with changes, and the evaluation that is like its own.

    ``parameters`` and ``loss`` are the project's: None if they are not known.
    """

    project: str
    preset: str
    changes: Mapping[str, Any]
    parameters: int | None
    loss: float
    evaluation: Callable[[Engine, Recipe, Text], float]


# The projects' losses. Mini GPT, TinyGPT, GPT-by-Hand: their own code, run for these steps, with its own estimate from
# random batches of the validation split. ToyAttentionTransformer: its code, run as in its first notebook, and evaluated
# on its 100 four-letter words (mean of three runs, 4.27, 3.99 and 4.07; it trains on 33 of its 167 words, and its own
# figure also counts the letters that it copies); for Shakespeare, the last training batch that its notebook prints.
COMPARISONS = {
    "minigpt": Comparison("Mini GPT", "minigpt", {}, None, 1.9042, validation_estimate),
    "tinygpt": Comparison("TinyGPT", "tinygpt", {}, 824_897, 1.6097, validation_estimate),
    "tiny16": Comparison("GPT-by-Hand", "tiny16", {"max_iters": 2000}, 6_864, 1.5351, validation_estimate),
    "words": Comparison(
        "ToyAttentionTransformer, words",
        "words",
        {"block_size": 4, "n_layer": 1, "n_head": 1, "n_embd": 12, "batch_size": 20, "max_iters": 1000},
        1_944,
        4.11,
        last_letter,
    ),
    "shakespeare": Comparison(
        "ToyAttentionTransformer, Shakespeare",
        "shakespeare-cpu",
        {"n_layer": 1, "n_head": 1, "batch_size": 24, "max_iters": 1200},
        213_504,
        1.7581,
        training_estimate,
    ),
}


def recipe_of(comparison: Comparison) -> Recipe:
    """Return the preset with the comparison's changes."""
    return preset(comparison.preset).override(comparison.changes)


def make_engine(program: str, recipe: Recipe) -> Engine:
    """Return the program's engine with the recipe's initial values; torch_gpt uses the CPU."""
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    if program == "numpy_gpt":
        return NumpyEngine(recipe, values)
    from torch_gpt.fast.engine import FastEngine, FastOptions

    return FastEngine(recipe, values, None, "cpu", FastOptions())


def measure(comparison: Comparison, program: str, source: str | None) -> list[str]:
    """Train and evaluate; return a row of the table.

    Raises
    ------
    UserError
        If the text is not available.
    """
    recipe = recipe_of(comparison)
    text = text_for(recipe, source)
    if not text.real:
        raise UserError("random tokens cannot be learnt; give the text with --source FILE")
    engine = make_engine(program, recipe)
    engine.begin(text.train)
    start = time.perf_counter()
    for step in range(recipe.training.max_iters):
        engine.take_step(step, learning_rate_at(step, **recipe.training.schedule()))
    seconds = time.perf_counter() - start
    ours = comparison.evaluation(engine, recipe, text)
    whole = evaluate(engine, text.val, recipe.model.block_size, recipe.eval_stride)
    steps, count = recipe.training.max_iters, parameter_count(recipe.model)
    its = "–" if comparison.parameters is None else f"{comparison.parameters:,}"
    row = [comparison.project, f"`{comparison.preset}`", f"{steps:,}", f"{count:,}", its]
    return [*row, f"{comparison.loss:.4f}", f"{ours:.4f}", f"{whole:.4f}", f"{seconds:.0f}"]


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each comparison as soon as it is complete."""
    parser = command_parser(__doc__)
    known = ", ".join(COMPARISONS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {known} (default: all)")
    parser.add_argument("--source", help="the file of Tiny Shakespeare; without it GPT_DATA_DIR or the cache")
    parser.add_argument("--program", choices=PROGRAMS, default=PROGRAMS[0], help="which twin trains, on the CPU")
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    if unknown := [name for name in options.names if name not in COMPARISONS]:
        raise UserError(f"a comparison must be one of {list_names(COMPARISONS)}, not {quote(unknown[0])}")
    print(f"{options.program}; {environment_line(describe_environment())}\n")
    print(markdown_row(HEADER), markdown_row(["---"] * len(HEADER)), sep="\n", flush=True)
    for name in options.names or COMPARISONS:
        print(markdown_row(measure(COMPARISONS[name], options.program, options.source)), flush=True)
    return 0
