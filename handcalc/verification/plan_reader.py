"""Read which calculation a trace of this program shows; that determines the formulas of all its steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from itertools import product
from typing import Any

from gpt_data.errors import UserError
from handcalc.arithmetic.notation import read_literal
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.norms.layer_norm import read_epsilon
from handcalc.page.stated_facts import (
    UPDATE_PURPOSE,
    is_tokens_title,
    read_amount,
    read_digits,
    read_model,
    read_optimizer,
    read_shape,
    read_short_tokens,
    read_tokens,
    states_part,
)
from handcalc.tracing.plan import Plan, make_plan, optimizer_of
from handcalc.tracing.size import MOST_NUMBERS
from handcalc.verification.line_reader import step_ranges
from handcalc.verification.table_reader import split_row
from numpy_gpt.shared.model.config import (
    ACTIVATIONS,
    KINDS,
    NORMS,
    BigramConfig,
    GPTConfig,
    ModelConfig,
    config_from_dict,
)
from numpy_gpt.shared.model.names import parameter_count

MOST_LAYERS = 1000
"""The most layers that a page may claim: its steps are planned before anything else is compared."""

MOST_WIDTH = 1_000_000
"""The most operands that one number of each step may have together, on a page of a part; GPT-2 XL has 450,000."""

_BIAS = re.compile(r"\.d?bias")
_RMS = re.compile(r"\bd?(?:rrms|mean_square)\b")
_HEAD = re.compile(r"lm_head\.d?weight")
_ACTIVATION_SIGNS = {
    "gelu_tanh": re.compile(r"\.gelu\.d?(?:tanh|argument)|tanh\["),
    "gelu_erf": re.compile(r"\.gelu\.d?erf|erf\["),
}
"""Activation → what only its steps contain."""


def join_words(lines: list[str]) -> str:
    """Return the lines as one line with single spaces: phrases are found wherever they were wrapped."""
    return " ".join(" ".join(lines).split())


def plan_of_text(lines: list[str]) -> Plan | None:
    """Return the plan of a page, or None if it is not one of this program's traces."""
    text = join_words(lines)
    shape, digits = read_shape(text), read_digits(text)
    if shape is None or digits is None or shape.get("n_layer", 0) > MOST_LAYERS:
        return None
    # Words of the text and the name of the model may be anything, but they do not occur in the steps' sections.
    steps = join_words([line for _, start, end in step_ranges(lines) for line in lines[start:end]])
    tokens, targets = read_tokens(token_rows(lines))
    if not tokens:
        tokens, targets = ([token for _, token in pairs] for pairs in read_short_tokens(text))
    likeliest, is_part = None, states_part(text)
    variants = list(_gpt_variants(steps)) if "n_layer" in shape else [{}]
    for optimizer, variant in product(_optimizers(text), variants):
        plan = _plan(shape | variant, tokens, targets, optimizer, digits, is_part=is_part)
        if plan is not None and _has_stated_size(plan, text):
            return plan
        likeliest = likeliest or plan
    return likeliest


def _gpt_variants(steps: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of a GPT's config that no sentence states: first those that the steps on the page tell.

    If only a few steps are shown, the stated sizes decide between these.
    """
    epsilon = read_epsilon(steps)
    bias, tied = _BIAS.search(steps) is not None, _HEAD.search(steps) is None
    activations = sorted(ACTIVATIONS, key=lambda name: _activation_of(steps) != name)
    norms = sorted(NORMS, key=lambda name: _norm_of(steps) != name)
    for norm, activation, *flips in product(norms, activations, (False, True), (False, True)):
        yield {
            "norm": norm,
            "bias": bias ^ flips[0],
            "tie_weights": tied ^ flips[1],
            "activation": activation,
            "layer_norm_epsilon": 1e-5 if epsilon is None else epsilon,
        }


def _activation_of(steps: str) -> str:
    """Return the activation that the steps on a page show; ReLU has no steps of its own."""
    return next((name for name, signs in _ACTIVATION_SIGNS.items() if signs.search(steps)), "relu")


def _norm_of(steps: str) -> str:
    return "rms_norm" if _RMS.search(steps) else "layer_norm"


def _optimizers(text: str) -> list[Optimizer | None]:
    """Return the numbers of the update; any, if none of the steps that use them is on the page."""
    optimizer = read_optimizer(text)
    if optimizer is None and UPDATE_PURPOSE in text:
        default = optimizer_of(None)
        return [default, default._replace(grad_clip=Decimal(0))]
    return [optimizer]


def _has_stated_size(plan: Plan, text: str) -> bool:
    model = read_model(text)
    return model is not None and model[1] == parameter_count(plan.config) and read_amount(text) == len(plan.page_steps)


def token_rows(lines: list[str]) -> Iterator[list[str]]:
    """Yield the columns of the lines below the heading of the table of tokens."""
    titles = [place for place, line in enumerate(lines) if is_tokens_title(line)]
    return map(split_row, lines[titles[0] + 1 :] if titles else [])


def plan_of_json(record: Mapping[str, Any]) -> Plan | None:
    """Return the plan of a JSON object, or None if it is not one of this program's traces."""
    try:
        config, digits = record["model"]["config"], record["digits"]
        tokens, targets = ([one["id"] for one in record.get(key) or ()] for key in ("tokens", "targets"))
        update = record.get("optimizer")
        numbers = None if update is None else [read_literal(str(update[name])) for name in Optimizer._fields]
        optimizer = None if numbers is None else Optimizer(*numbers)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    whole = all(isinstance(number, int) for number in (digits, *tokens, *targets))
    return _plan(config, tokens, targets, optimizer, digits) if whole and isinstance(config, dict) else None


def _plan(
    config: Mapping[str, Any],
    tokens: list[int],
    targets: list[int],
    optimizer: Optimizer | None,
    digits: int,
    *,
    is_part: bool = False,
) -> Plan | None:
    """Return the plan, or None if no such model exists or can have been traced."""
    try:
        if config.get("n_layer", 0) > MOST_LAYERS:
            return None
        known = {"kind", *(item.name for item in fields(KINDS.get(config.get("kind", "gpt"), GPTConfig)))}
        model = config_from_dict({name: value for name, value in config.items() if name in known})
        if not tokens or max(*tokens, *targets, 0) >= model.vocab_size:
            return None
        if _width(model) > MOST_WIDTH if is_part else parameter_count(model) > MOST_NUMBERS:
            return None
        return make_plan(model, tuple(tokens), tuple(targets), optimizer if targets else None, digits=digits)
    except (UserError, ValueError, TypeError, ArithmeticError):
        return None


def _width(model: ModelConfig) -> int:
    """Return about how many operands one number of each step has."""
    if isinstance(model, BigramConfig):
        return model.vocab_size
    return model.vocab_size + model.block_size + (model.n_layer + 1) * (model.n_embd + model.n_hidden)
