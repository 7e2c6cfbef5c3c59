"""``step``: train on one example once, and see every next-token probability before and after."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.cli.parser import number, print_record, whole_number
from numpy_gpt.shared.cli.program import Program, add_model_flags, chosen_model, engine_for, recipe_of
from numpy_gpt.shared.cli.show import change_table
from numpy_gpt.shared.cli.token_text import quoted, tokens_of
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.recipe import Recipe

SCHEMA_VERSION = 1


def add_step_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Give the parser what both twins' ``step`` takes."""
    add_model_flags(parser)
    parser.add_argument(
        "--text", metavar="TEXT", required=True, help="the example: each of its tokens but the first is a target"
    )
    parser.add_argument(
        "--learning_rate", metavar="RATE", type=number, help="rate of the step (default: the last one of its training)"
    )
    parser.add_argument(
        "--steps", metavar="N", type=whole_number, default=1, help="train on it this many times (default: once)"
    )
    parser.add_argument("--top", type=whole_number, metavar="N", help="show the N likeliest tokens only (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON record in place of the tables")
    program.add_flags(parser)
    parser.set_defaults(command=lambda arguments: step_command(program, arguments))


def step_command(program: Program, arguments: argparse.Namespace) -> int:
    """Take the step, show what changed, and return the exit status; nothing is saved."""
    for name in ("steps", "top"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(arguments, name)}")
    model = chosen_model(arguments)
    tokens = tokens_of(model.tokenizer, arguments.text, "--text")
    _check_length(len(tokens), model)
    recipe, rate = _recipe(model, arguments.learning_rate)
    engine = engine_for(program, model, arguments, recipe)
    inputs, targets = tokens[None, :-1], tokens[None, 1:]
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and said in one line
        before = engine.predict(inputs)[0]
        losses = _trained(engine, inputs, targets, model, arguments.steps, rate)
        after = engine.predict(inputs)[0]
    if arguments.json:
        print_record(_record(arguments.text, tokens.tolist(), rate, losses, before, after))
    else:
        if model.trained is not None:
            print("this model's weights are averages; what follows is of the weights in training, before averaging\n")
        _show(model, tokens.tolist(), rate, losses, (before, after), arguments.top)
    return 0


def _trained(
    engine: Engine, inputs: Tokens, targets: Tokens, model: Checkpoint, steps: int, rate: float
) -> list[float]:
    """Take the steps; return the loss before each of them and after the last."""
    first = model.step if model.moments else 0  # AdamW's moments, where there are none, begin with zeros
    losses = []
    for step in range(first, first + steps):
        result = engine.training_step(inputs, targets, step, rate)
        _check_finite(result.loss, result.gradient_norm)
        losses.append(result.loss)
    losses.append(engine.loss(inputs, targets))
    _check_finite(losses[-1])
    return losses


def _check_finite(*figures: float) -> None:
    if bad := [figure for figure in figures if not math.isfinite(figure)]:
        raise UserError(
            f"the loss and its gradient's norm must be finite, but one becomes {bad[0]}; try a lower --learning_rate"
        )


def _check_length(count: int, model: Checkpoint) -> None:
    longest = model.config.block_size + 1
    if not 2 <= count <= longest:
        raise UserError(
            f"--text must have 2 to {longest} tokens, a target for each but the last; it has {count}; "
            f"give {'more' if count < 2 else 'fewer'}"
        )


def _recipe(model: Checkpoint, learning_rate: float | None) -> tuple[Recipe, float]:
    # One example, one batch, and nothing dropped: what changes is due to the example alone.
    recipe = recipe_of(model)
    # Where weights are averaged, it is those in training that the step changes, and that are shown.
    changes: dict[str, Any] = {"gradient_accumulation_steps": 1, "ema_decay": 0.0}
    if learning_rate is not None:
        changes["learning_rate"] = learning_rate
    config = replace(recipe.model, dropout=0.0) if isinstance(recipe.model, GPTConfig) else recipe.model
    recipe = replace(recipe, model=config).override(changes)
    # The peak of a recipe would overshoot: AdamW's first step moves every weight by the whole rate.
    return recipe, recipe.training.schedule()["min_lr"] if learning_rate is None else learning_rate


def _show(
    model: Checkpoint, tokens: list[int], rate: float, losses: list[float], p: tuple[Array, Array], top: int | None
) -> None:
    before, after = p
    for place, target in enumerate(tokens[1:]):
        seen = model.tokenizer.decode(tokens[: place + 1])
        print(f"after {seen!r} comes {quoted(model.tokenizer, target)}")
        print(change_table(model.tokenizer, before[place], after[place], target, top), end="\n\n")
    times = "one step" if len(losses) == 2 else f"{len(losses) - 1} steps"
    print(f"{times} at learning rate {rate:g}: loss {losses[0]:.6f} -> {losses[-1]:.6f} nats per token")


def _record(
    text: str, tokens: list[int], rate: float, losses: list[float], before: Array, after: Array
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "text": text,
        "tokens": tokens,
        "learning_rate": rate,
        "losses": losses,
        "before": before.tolist(),
        "after": after.tolist(),
    }
