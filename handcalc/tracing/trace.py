"""Work out a trace: every cell of every step, in order, each from numbers that are already known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import padded_vocabulary
from gpt_data.wording import count_of, quote, short_repr
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Index, Masked, MutableNumbers
from handcalc.formulas.adamw import BEFORE, MOMENTS
from handcalc.formulas.step import UPDATED, Sizes, Step, indices_of
from handcalc.tracing.float64 import Arrays, Float64Step, float64_parameters, float64_probabilities, float64_training
from handcalc.tracing.plan import PROBABILITIES, Plan, make_plan
from handcalc.tracing.selection import EVERYTHING, Selection, indices_to_show
from numpy_gpt.shared.cli.model_choice import load_model as load_run
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint

UNTRAINED, UNTRAINED_SEED = "untrained", 1
"""The name of the shipped model before its training, and the seed of its initial values."""


class Why(NamedTuple):
    """Which logits are split: those after ``position`` of ``words``, the ids of the likeliest and the second one."""

    position: int
    words: tuple[int, ...]

    def selection(self, head: int | None = None) -> Selection:
        """Return what the steps of the attribution have worked out, or of that only one head."""
        return Selection(head=head, position=self.position, words=tuple(sorted(self.words)))


class Change(NamedTuple):
    """A weight that was changed: its name, its place in the tensor, and its exact value before and after."""

    name: str
    place: Index
    before: Decimal
    after: Decimal


class Trace(NamedTuple):
    """One text worked out: the plan, and the numbers of all its steps.

    ``numbers`` has the weights and everything that is worked out, name → index → printed value, in order of
    computation; ``masked`` has the cells that are not worked out; ``float64`` has numpy_gpt's probabilities, position →
    word; ``training`` is numpy_gpt's training step, if the plan goes beyond the forward pass; ``why`` says of which
    logits ``numbers`` has the attribution. ``changes`` are the weights that were changed before, and ``unchanged`` are
    the probabilities without these changes.
    """

    plan: Plan
    model: str
    vocabulary: tuple[str, ...]
    text: str
    numbers: MutableNumbers
    masked: frozenset[tuple[str, Index]]
    float64: list[list[float]]
    training: Float64Step | None
    why: Why | None = None
    changes: tuple[Change, ...] = ()
    unchanged: Mapping[Index, Decimal] | None = None

    def __repr__(self) -> str:
        size = f"{count_of(sum(map(len, self.numbers.values())), 'number')} in {count_of(len(self.plan.steps), 'step')}"
        what = f"{type(self).__name__} of {quote(self.text, 40)} by {self.model}"
        return short_repr(f"{what}: {size}, {count_of(self.plan.digits, 'digit')}")


def load_model(path: str | None) -> tuple[Checkpoint, str]:
    """Return the model in a directory, by default the one that ships, and its name; ``untrained`` needs no directory.

    Raises
    ------
    UserError
        If there is none, or it is damaged.
    """
    if path == UNTRAINED and not Path(UNTRAINED).exists():
        return untrained_model(), UNTRAINED
    directory = SHIPPED_MODEL if path is None else to_path(path)
    return load_run(directory), directory.resolve().name


def untrained_model() -> Checkpoint:
    """Return the shipped model as it was before training: initial values of a fixed seed, rounded to two decimals.

    Its recipe keeps the largest learning rate, with which its training starts.
    """
    shipped = load_run(SHIPPED_MODEL)
    values = initial_values(shipped.config, UNTRAINED_SEED, "float64")
    recipe = dict(shipped.recipe or {})
    if "training" in recipe:
        recipe["training"] = recipe["training"] | {"min_lr": recipe["training"]["learning_rate"]}
    rounded = {name: np.round(array, 2) + 0.0 for name, array in values.items()}  # + 0: there is no -0
    return replace(shipped, values=rounded, step=0, facts=None, recipe=recipe or None, path=None)


def trace_model(model: Checkpoint, name: str, text: str, plan: Plan, position: int | None = None) -> Trace:
    """Return the plan worked out with a model's weights; logits are split after ``position``, by default the last.

    Raises
    ------
    UserError
        If a weight is not finite, or an update leaves the range of float64.
    """
    return work_out(plan, model.values, words_of(model), text, model=name, position=position)


def words_of(model: Checkpoint) -> tuple[str, ...]:
    """Return the word of each id of a model's vocabulary."""
    return padded_vocabulary(model.tokenizer, model.config.vocab_size)


def work_out(
    plan: Plan, arrays: Arrays, vocabulary: tuple[str, ...], text: str, *, model: str, position: int | None = None
) -> Trace:
    """Return the plan worked out with the weights ``arrays``; logits are split after ``position``, or the last one.

    Raises
    ------
    UserError
        If a weight is not finite, or an update leaves the range of float64.
    """
    calculator = Calculator(plan.digits)
    numbers = round_weights(arrays, calculator)
    masked = fill(numbers, plan.steps, plan.sizes, calculator)
    exact = float64_parameters(plan.config, arrays)
    trace = Trace(
        plan=plan,
        model=model,
        vocabulary=vocabulary,
        text=text,
        numbers=numbers,
        masked=masked,
        float64=float64_probabilities(exact, plan.tokens),
        training=float64_training(exact, plan) if plan.targets else None,
    )
    return explain(trace, plan.sizes.t - 1 if position is None else position)


def explain(trace: Trace, position: int) -> Trace:
    """Return the trace with the logits after ``position`` split: of the likeliest word and the next likeliest."""
    if not trace.plan.why:
        return trace
    probabilities = trace.numbers[PROBABILITIES]
    ranked = sorted(range(trace.plan.sizes.v), key=lambda word: (-probabilities[position, word], word))
    why = Why(position, tuple(ranked[:2]))
    return extend(trace._replace(why=why), trace.plan.why, why.selection())


def take_step(trace: Trace) -> Trace:
    """Return the next update of the same text: the new weights become the weights, and AdamW's moments carry on.

    Its numbers begin with the moments before it, under ``before.m.…`` and ``before.v.…``. Both computations, the
    calculator's and float64's, continue from their own weights and moments.

    Raises
    ------
    UserError
        If the update leaves the range of float64.
    ValueError
        If the trace has no update.
    """
    before, exact = trace.plan, trace.training
    if exact is None or exact.updated is None:
        raise ValueError("only a trace with an update can take the step: make its plan with an optimizer")
    plan = make_plan(
        before.config,
        before.tokens,
        before.targets,
        before.optimizer,
        digits=before.digits,
        number=before.number + 1,
    )
    updated = float64_parameters(plan.config, exact.updated)
    numbers = {name: trace.numbers[f"{UPDATED}.{name}"] for name in plan.weight_shapes}
    for moment in MOMENTS:
        numbers |= {f"{BEFORE}.{moment}.{name}": trace.numbers[f"{moment}.{name}"] for name in plan.weight_shapes}
    stepped = trace._replace(
        plan=plan,
        numbers=numbers,
        masked=fill(numbers, plan.steps, plan.sizes, Calculator(plan.digits)),
        float64=float64_probabilities(updated, plan.tokens),
        training=float64_training(updated, plan, exact.state),
    )
    return stepped if trace.why is None else explain(stepped, trace.why.position)


def extend(trace: Trace, steps: Iterable[Step], selection: Selection = EVERYTHING) -> Trace:
    """Return the trace with the selected numbers of further steps, which may use all numbers of the trace."""
    numbers = dict(trace.numbers)
    masked = fill(numbers, steps, trace.plan.sizes, Calculator(trace.plan.digits), selection)
    return trace._replace(numbers=numbers, masked=trace.masked | masked)


def fill(
    numbers: MutableNumbers,
    steps: Iterable[Step],
    sizes: Sizes,
    calculator: Calculator,
    selection: Selection = EVERYTHING,
) -> frozenset[tuple[str, Index]]:
    """Add every selected cell of every step to the numbers, and return the cells that the causal mask leaves out."""
    masked = set()
    for step in steps:
        values = numbers[step.name] = {}
        for index in indices_to_show(step, sizes, selection):
            expression = step.cell(*index)
            values[index] = calculator.evaluate(expression, numbers)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
    return frozenset(masked)


def round_weights(arrays: Arrays, calculator: Calculator) -> MutableNumbers:
    """Return every weight as printed: the shortest decimal that names the float, rounded to the calculator's digits.

    Raises
    ------
    UserError
        If a weight is NaN or infinite.
    """
    numbers: MutableNumbers = {}
    for name, array in arrays.items():
        values = numbers[name] = {}
        shortest = map(repr, array.ravel().tolist()) if array.itemsize == 8 else map(str, array.ravel())
        for index, text in zip(indices_of(array.shape), shortest, strict=True):
            values[index] = round_weight(name, index, text, calculator)
    return numbers


def round_weight(name: str, index: Index, text: str, calculator: Calculator) -> Decimal:
    """Return one weight as printed, from the shortest decimal that names it.

    Raises
    ------
    UserError
        If it is NaN or infinite.
    """
    value = Decimal(text)
    if not value.is_finite():
        raise UserError(f"{name}{list(index)} is {text}: this model cannot be traced; train it again")
    return calculator.round(value)
