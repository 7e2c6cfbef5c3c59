"""A calculation whose inputs may still change: the steps of any text of one length, and their values in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import MOST_DIGITS
from handcalc.arithmetic.expression import Index, Masked, Ref
from handcalc.arithmetic.float_value import MutableFloats, float_value
from handcalc.arithmetic.unknown import UnknownToken
from handcalc.formulas.adamw import BEFORE, MOMENTS, Optimizer
from handcalc.formulas.model import backward_steps, forward_steps, steps_again, update_steps
from handcalc.formulas.step import Sizes, Step, Weights, indices_of, parameters_of
from handcalc.tracing.float64 import Arrays
from handcalc.tracing.plan import Plan
from numpy_gpt.shared.model.config import ModelConfig

STEP_NUMBER = Ref("step_number", ())
"""The number of the update, counted from 1: an input, as AdamW's moments before it are."""


class Live(NamedTuple):
    """The steps of a calculation whose tokens, weights, moments and step number are inputs.

    ``ids`` are the tokens that the text begins with: those that are read, and with ``targets`` one more, the last one's
    target. ``inputs`` are the tensors that are given, with their index letters, in order.
    """

    config: ModelConfig
    sizes: Sizes
    ids: tuple[int, ...]
    optimizer: Optimizer | None
    inputs: tuple[Weights, ...]
    steps: tuple[Step, ...]


class Values(NamedTuple):
    """The inputs and results of a calculation in float64, and the cells that the causal mask leaves out."""

    numbers: MutableFloats
    masked: frozenset[tuple[str, Index]]


def make_live(plan: Plan) -> Live:
    """Return the calculation of a plan, for any tokens: the same steps, in which the number of the update is open."""
    config, time = plan.config, len(plan.tokens)
    text = tuple(map(UnknownToken, range(time + bool(plan.targets))))
    tokens, targets = text[:time], text[1:] if plan.targets else ()
    forward = tuple(forward_steps(config, tokens, targets, digits=MOST_DIGITS))
    steps, inputs = list(forward), parameters_of(config)
    if targets:
        steps += backward_steps(config, tokens, targets, digits=MOST_DIGITS)
    if plan.optimizer is not None:
        steps += update_steps(config, plan.optimizer, time, STEP_NUMBER)
        steps += steps_again(forward)
        moments = [one._replace(name=f"{BEFORE}.{moment}.{one.name}") for moment in MOMENTS for one in inputs]
        inputs = [Weights(STEP_NUMBER.name, ""), *inputs, *moments]
    ids = (*plan.tokens, *plan.targets[-1:])
    return Live(config, plan.sizes, ids, plan.optimizer, tuple(inputs), tuple(steps))


def evaluate_live(live: Live, weights: Arrays) -> Values:
    """Return the values of a first update with these weights: the moments before it are 0.

    Raises
    ------
    UserError
        If a weight is not finite, or a number leaves the range of float64.
    """
    numbers = dict(_given(live, weights))
    masked = set()
    for step in live.steps:
        values = numbers[step.name] = {}
        for index in live.sizes.indices(step.axes):
            expression = step.cell(*index)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
                values[index] = float(expression.value)
                continue
            try:
                values[index] = float_value(expression, numbers, live.ids)
            except ArithmeticError:
                values[index] = math.nan
            if not math.isfinite(values[index]):
                raise UserError(
                    f"numbers must stay in the range of float64, and {step.name} does not; try a lower learning_rate "
                    "or a model with smaller weights"
                )
    return Values(numbers, frozenset(masked))


def _given(live: Live, weights: Arrays) -> Iterator[tuple[str, dict[Index, float]]]:
    for one in live.inputs:
        shape = live.sizes.shape(one.axes)
        if one.name not in weights:
            start = float(one.name == STEP_NUMBER.name)
            yield one.name, dict.fromkeys(indices_of(shape), start)
            continue
        values = dict(zip(indices_of(shape), weights[one.name].astype("float64").ravel().tolist(), strict=True))
        for index, value in values.items():
            if not math.isfinite(value):
                raise UserError(f"{one.name}{list(index)} is {value}: this model cannot be traced; train it again")
        yield one.name, values
