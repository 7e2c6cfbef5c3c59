"""``step``: train on one example once, and show all next-token probabilities and the best guess before and after."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.terminal import Style, join_lines, page_style, show, wrap_prose
from gpt_data.tokens.token_text import stream_text
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, describe
from numpy_gpt.shared.cli.choices import add_field_flag, recipe_of
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import add_pager_flag, print_record, read_options, typed_text, whole_number
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.cli.tokens import (
    best_guess,
    encode_flag,
    likeliest,
    quote_token,
    read_text,
    token_width,
    verdict,
)
from numpy_gpt.shared.model.argument_checks import check_number
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

SCHEMA_VERSION = 1


class StepOptions(NamedTuple):
    """The flags of ``step``."""

    model: ModelChoice
    text: str
    learning_rate: float | None
    steps: int
    top: int | None
    no_pager: bool
    json: bool


class Outcome(NamedTuple):
    """What the steps changed: the loss before each and after the last, the probabilities (T, V) before and after."""

    losses: list[float]
    before: Array
    after: Array


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``step``."""
    add = parser.add_argument
    add_model_flags(parser)
    what = "the example: each token after the first is a target"
    add("--text", metavar="TEXT", type=typed_text, required=True, help=what)
    what = "learning rate (default: the last one used to train the model)"
    add_field_flag(add, TrainingConfig, "learning_rate", default=None, metavar="RATE", help=what)
    add("--steps", metavar="N", type=whole_number, default=1, help="number of training steps (default: 1)")
    add("--top", type=whole_number, metavar="N", help="show only the N likeliest tokens (default: all)")
    add_pager_flag(parser)
    add("--json", action="store_true", help="print one JSON record instead of the tables")
    set_command(parser, program, _read_options, step)


def _read_options(arguments: argparse.Namespace) -> StepOptions:
    return read_options(StepOptions, arguments, model=read_model_choice(arguments))


STEP = Command(
    "step",
    "train on one example once and show what changed",
    _add_flags,
    ('step --text "hello world"', 'step runs/tiny --text "to be or not" --learning_rate 1e-3 --top 5'),
)


def step(options: StepOptions, backend: Backend) -> int:
    """Take the steps, print what changed, and return the exit status; nothing is saved."""
    for name, value in (("steps", options.steps), ("top", options.top)):
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, not {describe(value)}")
    model = load_model(*options.model)
    text = read_text(model.tokenizer, options.text, "--text")
    tokens = encode_flag(model.tokenizer, text, "--text")
    check_example(len(tokens), model.config.block_size, "--text")
    recipe, rate = step_recipe(recipe_of(model), options.learning_rate)
    engine = backend.make_engine(recipe, initial_state_of(model))
    outcome = take_steps(engine, tokens, first_step(model), options.steps, rate)
    if options.json:
        print_record(_step_record(text, tokens.tolist(), rate, outcome))
        return 0
    show([join_lines(_report_lines(options, model, tokens, rate, outcome))], paged=not options.no_pager)
    return 0


def check_example(count: int, block_size: int, what: str) -> None:
    """Check the number of tokens of a text that the model is to predict; ``what`` names the text.

    Raises
    ------
    UserError
        If it is below 2 or above block_size + 1.
    """
    longest = block_size + 1
    if not 2 <= count <= longest:
        raise UserError(
            f"{what} must have 2 to {longest} tokens, so that each but the last has a target; it has {count}; "
            f"give {'more' if count < 2 else 'fewer'}"
        )


def step_recipe(recipe: Recipe, learning_rate: float | None) -> tuple[Recipe, float]:
    """Return the recipe for one batch without dropout, so that only the example causes the change, and its rate.

    If the model's weights are averages, the step updates the weights in training, and the tables show those.

    Raises
    ------
    UserError
        If the learning rate is not a number of at least 0, or too large for the weights' dtype.
    """
    changes: dict[str, Any] = {"gradient_accumulation_steps": 1, "ema_decay": 0.0}
    if learning_rate is not None:
        changes["learning_rate"] = learning_rate = check_number("learning_rate", learning_rate)
    config = replace(recipe.model, dropout=0.0) if isinstance(recipe.model, GPTConfig) else recipe.model
    recipe = replace(recipe, model=config).override(changes)
    # The recipe's peak rate would overshoot: AdamW's first step moves every weight by nearly the full rate.
    return recipe, recipe.training.schedule()["min_lr"] if learning_rate is None else learning_rate


def first_step(model: Checkpoint) -> int:
    """Return the number of AdamW's next step: without saved moments, AdamW's begin at zero."""
    return model.step if model.moments else 0


def take_steps(engine: Engine, tokens: Tokens, first: int, steps: int, rate: float) -> Outcome:
    """Take steps on tokens (T + 1,), each but the first of which is a target; ``first`` counts AdamW's steps so far.

    Raises
    ------
    UserError
        If the loss or the gradient's norm is no longer finite.
    """
    inputs, targets = tokens[None, :-1], tokens[None, 1:]
    losses = []
    before = engine.predict(inputs)[0]
    for number in range(first, first + steps):
        result = engine.training_step(inputs, targets, number, rate)
        _check_finite(result.loss, result.gradient_norm)
        losses.append(result.loss)
    losses.append(engine.loss(inputs, targets))
    _check_finite(losses[-1])
    return Outcome(losses, before, engine.predict(inputs)[0])


def _check_finite(*values: float) -> None:
    if bad := [value for value in values if not math.isfinite(value)]:
        raise UserError(
            f"the loss and its gradient's norm must be finite, but one becomes {bad[0]}; try a lower learning_rate"
        )


def _report_lines(
    options: StepOptions, model: Checkpoint, tokens: Tokens, rate: float, outcome: Outcome
) -> Iterator[str]:
    style = page_style()
    if model.trained is not None:
        what = "this model's weights are averages; the tables show the weights in training, before averaging"
        yield from (*wrap_prose(what), "")
    for place, target in enumerate(tokens[1:].tolist()):
        read = stream_text(model.tokenizer, tokens[: place + 1].tolist())
        title = f"after {read!r} comes {quote_token(model.tokenizer, target)}"
        yield from (style("heading", line) for line in wrap_prose(title))
        before, after = outcome.before[place], outcome.after[place]
        yield from _change_table(model.tokenizer, before, after, target, options.top, style)
        guesses = (_guess_text(model.tokenizer, row, target) for row in (before, after))
        yield from (*wrap_prose("best guess before: {}, after: {}".format(*guesses)), "")
    steps, (first, *_, last) = count_of(options.steps, "step"), outcome.losses
    yield from wrap_prose(f"{steps} at learning rate {rate:g}: loss {first:.6f} -> {last:.6f} nats per token")


def _change_table(
    tokenizer: Tokenizer, before: Array, after: Array, target: int, count: int | None, style: Style
) -> list[str]:
    """Return the probabilities (V,) of one position before and after, likeliest first; the target is marked."""
    tokens = likeliest(before, count)
    tokens += [] if target in tokens else [target]
    columns = [
        Column("  token", "left", 2 + token_width(tokenizer, len(before)), "name"),
        Column("before"),
        Column("after", role="value"),
        Column("change"),
        Column("", "left"),
    ]
    rows = [
        (
            f"  {quote_token(tokenizer, token)}",
            f"{before[token]:.6f}",
            f"{after[token]:.6f}",
            f"{after[token] - before[token]:+.6f}",
            "<- target" if token == target else "",
        )
        for token in tokens
    ]
    return table_lines(columns, rows, style)


def _guess_text(tokenizer: Tokenizer, probabilities: Array, target: int) -> str:
    guess = best_guess(probabilities)
    return f"{quote_token(tokenizer, guess)} ({verdict(guess, target)})"


def _step_record(text: str, tokens: list[int], rate: float, outcome: Outcome) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "text": text,
        "tokens": tokens,
        "learning_rate": rate,
        "losses": outcome.losses,
        "before": outcome.before.tolist(),
        "after": outcome.after.tolist(),
        "succeeded_before": _succeeded(outcome.before, tokens[1:]),
        "succeeded_after": _succeeded(outcome.after, tokens[1:]),
    }


def _succeeded(probabilities: Array, targets: list[int]) -> list[bool]:
    return [best_guess(row) == target for row, target in zip(probabilities, targets, strict=True)]
