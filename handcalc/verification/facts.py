"""What a trace of this program says about itself: model, words, digits, and so the formulas of all its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.plan import Plan, planned_steps
from handcalc.tracing.steps import Sizes, Step
from handcalc.verification.grid_reader import table_fields
from handcalc.verification.notation import NUMBER, literal
from handcalc.verification.text_reader import step_ranges
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes

_DIGITS = re.compile(r"rounding to ([0-9]+) significant digit")
_MODEL = re.compile(
    r"([0-9]+) layers? of ([0-9]+) attention heads?, width ([0-9]+), .*? a vocabulary of ([0-9]+) words?.*?"
    r"a view of ([0-9]+) tokens?\."
)
_OPTIMIZER = re.compile(
    rf"learning rate ({NUMBER}) \(--learning_rate\), weight decay ({NUMBER}), beta1 ({NUMBER}), beta2 ({NUMBER}), "
    rf"epsilon ({NUMBER}); the gradient (?:may be ({NUMBER}) long|is not clipped)"
)
_EPSILON = re.compile(rf"ε = ({NUMBER})")
_BIAS = re.compile(r"\.d?bias")
_HEAD = re.compile(r"lm_head\.d?weight")
_GELU = re.compile(r"\.gelu\.|tanh\[")
_TOKENS_TITLE = "The tokens: "


class Facts(NamedTuple):
    """The digits, how far each index letter runs, the shapes of the weights, and the steps that follow from these."""

    digits: int
    sizes: Sizes
    weight_shapes: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]


def digits_of_text(text: str) -> int | None:
    """Return to how many significant digits a page says that it rounds, or None."""
    match = _DIGITS.search(" ".join(text.split()))
    return int(match[1]) if match else None


def facts_of_text(lines: list[str]) -> Facts | None:
    """Return what the first screen says, or None where it is not one of this program's traces."""
    text = " ".join(" ".join(lines).split())
    model, digits = _MODEL.search(text), digits_of_text(text)
    if model is None or digits is None:
        return None
    tokens, targets = _tokens(lines)
    layers, heads, width, words, view = map(int, model.groups())
    # Words of the text and the name of the model may be anything, but they do not stand under the steps' headings.
    steps = " ".join(" ".join(" ".join(lines[start:end]) for _, start, end in step_ranges(lines)).split())
    epsilon, update = _EPSILON.search(steps), _OPTIMIZER.search(text)
    config = {
        "vocab_size": words,
        "block_size": view,
        "n_layer": layers,
        "n_head": heads,
        "n_embd": width,
        "bias": _BIAS.search(steps) is not None,
        "tie_weights": _HEAD.search(steps) is None,
        "activation": "gelu_tanh" if _GELU.search(steps) else "relu",
        "layer_norm_epsilon": float(epsilon[1]) if epsilon else 1e-5,
    }
    return _facts(config, tokens, targets, update.groups("0") if update else None, digits)


def facts_of_json(record: Mapping[str, Any]) -> Facts | None:
    """Return what the JSON object says, or None where it is not one of this program's traces."""
    try:
        config, digits = record["model"]["config"], record["digits"]
        tokens, targets = ([one["id"] for one in record.get(key) or ()] for key in ("tokens", "targets"))
        update = record.get("optimizer")
        numbers = None if update is None else [update[name] for name in Optimizer._fields]
    except (KeyError, TypeError):
        return None
    whole = all(isinstance(number, int) for number in (digits, *tokens, *targets))
    return _facts(config, tokens, targets, numbers, digits) if whole and isinstance(config, dict) else None


def _facts(config: Mapping[str, Any], tokens: list[int], targets: list[int], update: Any, digits: int) -> Facts | None:
    """Return the facts, or None where there is no such model, or one that cannot have been traced."""
    try:
        known = {item.name: config[item.name] for item in fields(GPTConfig) if item.name in config}
        model = GPTConfig(**known)
        optimizer = None if update is None else Optimizer(*(literal(str(number)) for number in update))
        Calculator(digits)
        if not 0 < len(tokens) <= model.block_size or max(*tokens, *targets, 0) >= model.vocab_size:
            return None
        plan = Plan(tuple(tokens), tuple(targets), optimizer if targets else None)
        steps = planned_steps(model, plan, digits=digits)
        return Facts(digits, Sizes.of(model, len(tokens)), parameter_shapes(model), steps)
    except (UserError, ValueError, TypeError, ArithmeticError):
        return None


def _tokens(lines: list[str]) -> tuple[list[int], list[int]]:
    """Return the ids of the words that are read, and of those that came next where the page has them."""
    titles = [place for place, line in enumerate(lines) if line.lstrip("# ").startswith(_TOKENS_TITLE)]
    tokens, targets, begun = [], [], False
    for line in lines[titles[0] + 1 :] if titles else []:
        place, _, *ids = [*table_fields(line), "", ""][:5]  # t, word, id and, in training, next word, id
        if place.isdecimal() and ids[0].isdecimal():
            begun = True
            tokens.append(int(ids[0]))
            targets += [int(ids[2])] if len(ids) > 2 and ids[2].isdecimal() else []
        elif begun:
            break
    return tokens, targets
