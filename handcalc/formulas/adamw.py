"""AdamW's step for one parameter: decay, the two moments, their correction, and the step itself.

The equations are (13.3), (13.4), (13.5), (13.6), (13.7) and (13.8). In the first step, t = 1, both moments are 0
before; in a later one they are given, under the names ``before.m.…`` and ``before.v.…``.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from handcalc.arithmetic.expression import ONE, ZERO, Cells, Constant, Product, Ref, sqrt
from handcalc.arithmetic.unknown import Power
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.clipping import SCALE
from handcalc.formulas.step import (
    CHANGE,
    UPDATE,
    UPDATED,
    Step,
    Weights,
    gradient,
    last_part,
    update_step,
)
from numpy_gpt.shared.model.names import gradient_name

BEFORE = "before"
"""The prefix of a moment's name that means the moment before the step."""

MOMENTS = ("m", "v")
"""The prefixes of a parameter's name that mean its moments, the averages that AdamW carries from step to step."""


_PREFIXES = ("clipped", "decayed", *MOMENTS, "corrected_m", "corrected_v", "step", UPDATED, CHANGE)
"""The prefixes of a parameter's name that mean its numbers in the update, in order of computation."""


class Optimizer(NamedTuple):
    """The numbers of clipping and AdamW, with the names of a training recipe, as the decimals that a person writes.

    A ``grad_clip`` of 0 means no clipping.
    """

    learning_rate: Decimal
    weight_decay: Decimal
    beta1: Decimal
    beta2: Decimal
    adam_epsilon: Decimal
    grad_clip: Decimal


def correction_steps(optimizer: Optimizer, number: int | Ref) -> Iterator[Step]:
    """Yield what all parameters divide their moments by in a later step: the factors 1 − βᵗ, where t is ``number``."""
    for moment, beta in zip(MOMENTS, (optimizer.beta1, optimizer.beta2), strict=True):
        rate, base = format_number(beta), Constant(beta)
        power = Product((base,) * number) if isinstance(number, int) else Power((base, number))
        yield Step(
            name=f"correction.{moment}",
            axes="",
            equation=f"correction.{moment} = 1 - {rate}^t,  t = number of this step",
            section="13.6" if moment == "m" else "13.7",
            meaning=f"{moment} started from 0, so after t steps it is too small by this factor, which approaches 1.",
            cell=lambda power=power: ONE - power,
            phase=UPDATE,
        )


def moved_parameter(step: Step) -> str | None:
    """Return the parameter that a step of ``adamw_steps`` moves; None for every other step."""
    prefix, _, parameter = step.name.partition(".")
    return parameter if step.phase == UPDATE and prefix in _PREFIXES else None


def adamw_steps(parameter: Weights, optimizer: Optimizer, number: int | Ref = 1) -> Iterator[Step]:
    """Yield the steps from a parameter's gradient to its new value and its change, in the update of that ``number``.

    From the second update on, the moments before it are given, and the factors of ``correction_steps``.
    """
    first = number == 1
    if optimizer.grad_clip:
        yield _clipped_step(parameter)
    if parameter.is_matrix:
        yield _decayed_step(parameter, optimizer)
    yield from _moment_steps(parameter, optimizer, first=first)
    yield from _first_correction_steps(parameter, optimizer) if first else _correction_steps(parameter)
    yield _length_step(parameter, optimizer, first=first)
    yield from _change_steps(parameter)


def _clipped_step(parameter: Weights) -> Step:
    name, i = parameter.name, parameter.subscript
    g, scale = gradient(name), Cells(SCALE)
    return update_step(
        "clipped",
        parameter,
        f"clipped{i} = {last_part(gradient_name(name))}{i}·scale",
        "13.2",
        "The gradient, multiplied by the factor that all gradients share.",
        lambda *index: g[index] * scale[()],
    )


def _decayed_step(parameter: Weights, optimizer: Optimizer) -> Step:
    weight, i = Cells(parameter.name), parameter.subscript
    rate, decay = Constant(optimizer.learning_rate), Constant(optimizer.weight_decay)
    eta, share = format_number(rate.value), format_number(decay.value)
    return update_step(
        "decayed",
        parameter,
        f"decayed{i} = weight{i} - {eta}·{share}·weight{i}",
        "13.3",
        f"Weight decay: each entry of a matrix is first moved a little towards 0, by {share} of itself times the "
        f"learning rate {eta}. (Vectors, that is norms and biases, do not decay.)",
        lambda *index: weight[index] - rate * decay * weight[index],
        uses=True,
    )


def _moment_steps(parameter: Weights, optimizer: Optimizer, *, first: bool) -> Iterator[Step]:
    name, i = parameter.name, parameter.subscript
    b1, b2 = Constant(optimizer.beta1), Constant(optimizer.beta2)
    one, two = format_number(b1.value), format_number(b2.value)
    g, given = gradient(name), f"{last_part(gradient_name(name))}{i}"
    if optimizer.grad_clip:
        g, given = Cells(f"clipped.{name}"), f"clipped{i}"
    m, v = (Cells(f"{BEFORE}.{moment}.{name}") for moment in MOMENTS)
    yield update_step(
        "m",
        parameter,
        f"m{i} = {one}·{'0' if first else f'before.m{i}'} + (1 - {one})·{given}",
        "13.4",
        "A running average of the gradients, so that one unusual text does not change the direction. "
        + _old_share("gradient", b1.value, first=first),
        lambda *index: b1 * (ZERO if first else m[index]) + (ONE - b1) * g[index],
    )
    yield update_step(
        "v",
        parameter,
        f"v{i} = {two}·{'0' if first else f'before.v{i}'} + (1 - {two})·{given}·{given}",
        "13.5",
        "A running average of the squared gradients: their usual size, regardless of sign. "
        + _old_share("square", b2.value, first=first),
        lambda *index: b2 * (ZERO if first else v[index]) + (ONE - b2) * g[index] * g[index],
    )


def _old_share(what: str, beta: Decimal, *, first: bool) -> str:
    """Return the sentence that says how a moment's old value and a new gradient enter its new value."""
    weight = format_number(1 - beta)
    if first:
        return f"Before the first step it is 0, and each new {what} enters with weight {weight}."
    return f"Its value before this step enters with weight {format_number(beta)}, the new {what} with weight {weight}."


def _first_correction_steps(parameter: Weights, optimizer: Optimizer) -> Iterator[Step]:
    name, i = parameter.name, parameter.subscript
    for moment, beta, section in (("m", optimizer.beta1, "13.6"), ("v", optimizer.beta2, "13.7")):
        cells, factor, rate = Cells(f"{moment}.{name}"), ONE - Constant(beta), format_number(beta)
        yield update_step(
            f"corrected_{moment}",
            parameter,
            f"corrected_{moment}{i} = {moment}{i} / (1 - {rate})",
            section,
            f"{moment} started from 0, so after t steps it is too small by the factor 1 - {rate}^t; this is step 1.",
            lambda *index, cells=cells, factor=factor: cells[index] / factor,
        )


def _correction_steps(parameter: Weights) -> Iterator[Step]:
    name, i = parameter.name, parameter.subscript
    for moment, section in zip(MOMENTS, ("13.6", "13.7"), strict=True):
        cells, correction = Cells(f"{moment}.{name}"), Cells(f"correction.{moment}")
        yield update_step(
            f"corrected_{moment}",
            parameter,
            f"corrected_{moment}{i} = {moment}{i} / correction.{moment}",
            section,
            f"{moment}, corrected for its start from 0 by the factor that all parameters share.",
            lambda *index, cells=cells, correction=correction: cells[index] / correction[()],
        )


def _length_step(parameter: Weights, optimizer: Optimizer, *, first: bool) -> Step:
    m, v = (Cells(f"corrected_{moment}.{parameter.name}") for moment in MOMENTS)
    i, rate, epsilon = parameter.subscript, Constant(optimizer.learning_rate), Constant(optimizer.adam_epsilon)
    eta, tiny = format_number(rate.value), format_number(epsilon.value)
    usual = (
        f"So the very first step is close to {eta} for every weight, up or down, however small its gradient"
        if first
        else f"So a weight whose gradient keeps its sign moves by about {eta}, however small its gradient"
    )
    return update_step(
        "step",
        parameter,
        f"step{i} = {eta}·corrected_m{i} / (√corrected_v{i} + {tiny})",
        "13.8",
        f"The step: the average gradient divided by its usual size, times the learning rate {eta}. {usual}; {tiny} "
        "prevents division by 0.",
        lambda *index: rate * m[index] / (sqrt(v[index]) + epsilon),
    )


def _change_steps(parameter: Weights) -> Iterator[Step]:
    name, matrix, i = parameter.name, parameter.is_matrix, parameter.subscript
    before, short = Cells(name), last_part(name)
    start, step = Cells(f"decayed.{name}") if matrix else before, Cells(f"step.{name}")
    yield update_step(
        UPDATED,
        parameter,
        f"updated{i} = {'decayed' if matrix else short}{i} - step{i}",
        "13.8",
        "The new weight. The gradient points in the direction in which the loss rises, so the step is subtracted.",
        lambda *index: start[index] - step[index],
        uses=not matrix,
    )
    after = Cells(f"{UPDATED}.{name}")
    yield update_step(
        CHANGE,
        parameter,
        f"change{i} = updated{i} - {short}{i}",
        "13.8",
        "The total change of the weight. Where it is 0, the change is too small for the digits shown.",
        lambda *index: after[index] - before[index],
    )
