"""Exercises on AdamW: how a gradient and the earlier ones change a weight. Equations (13.3) to (13.8)."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import NamedTuple

from handcalc.arithmetic.expression import MINUS_ONE, ONE, TWO, ZERO, Cells, Expression, Product, sqrt
from handcalc.arithmetic.writing import cell_label
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.source import STEP_NUMBER, Source, Weight
from handcalc.formulas.adamw import Optimizer

ADAMW = "adamw"

_STEP = f"""\
step = eta·corrected_m / (√corrected_v + epsilon)
corrected_m = m / (1 - beta1^{STEP_NUMBER})
corrected_v = v / (1 - beta2^{STEP_NUMBER})"""

_CHANGE = f"""\
change = -eta·decay·w - eta·corrected_m / (√corrected_v + epsilon)
corrected_m = m_new / (1 - beta1^{STEP_NUMBER})
corrected_v = v_new / (1 - beta2^{STEP_NUMBER})
m_new = beta1·m + (1 - beta1)·g
v_new = beta2·v + (1 - beta2)·g²"""


class Rates(NamedTuple):
    """The numbers of AdamW as a question gives them."""

    eta: Expression
    decay: Expression
    beta1: Expression
    beta2: Expression
    epsilon: Expression


def first_moment(source: Source, rng: Random) -> Exercise:
    """Level 1: the running average of the gradient."""
    weight, givens = source.weight(rng), Givens()
    g = givens.number("g", f"the gradient of {cell_label(weight.name, weight.index)}", weight.gradient)
    m = givens.number("m", "its running average before this step", weight.m)
    beta1 = givens.number("beta1", "how much of the average is kept", source.optimizer.beta1)
    return givens.exercise(
        ADAMW,
        1,
        _scene(source),
        "Work out the new running average of the gradient.",
        "m_new = beta1·m + (1 - beta1)·g",
        [Line("m_new", (), beta1 * m + (ONE - beta1) * g)],
        [
            Mistake("swapped the two factors", (ONE - beta1) * m + beta1 * g),
            Mistake("added the whole gradient", beta1 * m + g),
            Mistake("forgot to scale down the old average", m + (ONE - beta1) * g),
            Mistake("forgot the old average", (ONE - beta1) * g),
            Mistake("a plain mean of the two", (m + g) / TWO),
        ],
    )


def length_of_step(source: Source, rng: Random) -> Exercise:
    """Level 2: the step from both moments."""
    weight, givens, optimizer = source.weight(rng), Givens(), source.optimizer
    new_m, new_v = _new_moments(weight, optimizer)
    m = givens.number(
        "m", f"the running average of the gradient of {cell_label(weight.name, weight.index)}", source.round(new_m)
    )
    v = givens.number("v", "the running average of its square", source.round(new_v))
    rates = _give_rates(givens, optimizer, decay=False)
    return givens.exercise(
        ADAMW,
        2,
        _scene(source),
        f"Both averages are up to date. Correct them for having started from 0 (this is step {STEP_NUMBER}), and work "
        "out the step of the weight.",
        _STEP,
        _correction_lines(m, v, rates),
        [
            Mistake("forgot the bias correction", rates.eta * m / (sqrt(v) + rates.epsilon)),
            Mistake("corrected only m", _step(m, v, rates, correct_v=False)),
            Mistake("corrected only v", _step(m, v, rates, correct_m=False)),
            Mistake("counted the steps from 0", _step(m, v, rates, step=STEP_NUMBER - 1)),
            Mistake("forgot the power: 1 - beta at every step", _step(m, v, rates, step=1)),
            Mistake(
                "forgot the root", rates.eta * _correct(m, rates.beta1) / (_correct(v, rates.beta2) + rates.epsilon)
            ),
            Mistake("forgot the learning rate", _step(m, v, rates) / rates.eta),
        ],
    )


def change(source: Source, rng: Random) -> Exercise:
    """Level 3: the total change of the weight."""
    weight, givens, optimizer = source.weight(rng), Givens(), source.optimizer
    w = givens.number("w", f"the weight {cell_label(weight.name, weight.index)}, an entry of a matrix", weight.value)
    g = givens.number("g", "its gradient", weight.gradient)
    m = givens.number("m", "the running average of its gradient before this step", weight.m)
    v = givens.number("v", "the running average of the square before this step", weight.v)
    rates = _give_rates(givens, optimizer, decay=True)
    new = Cells("m_new")[()], Cells("v_new")[()]
    decayed = rates.eta * rates.decay * w
    swapped = rates._replace(beta1=rates.beta2, beta2=rates.beta1)
    return givens.exercise(
        ADAMW,
        3,
        _scene(source),
        f"Work out the total change of the weight in this step, step {STEP_NUMBER}: weight decay and AdamW's step "
        "together.",
        _CHANGE,
        [
            Line("m_new", (), _moment(m, g, rates.beta1)),
            Line("v_new", (), _moment(v, g * g, rates.beta2)),
            *_correction_lines(*new, rates),
            Line("change", (), MINUS_ONE * rates.eta * rates.decay * w - Cells("step")[()]),
        ],
        [
            Mistake("forgot the decay", MINUS_ONE * _step(*new, rates)),
            Mistake("the sign of the gradient: went uphill", _step(*new, rates) - decayed),
            Mistake("the sign of the decay: away from 0", decayed - _step(*new, rates)),
            Mistake(
                "forgot the bias correction", MINUS_ONE * decayed - _step(*new, rates, correct_m=False, correct_v=False)
            ),
            Mistake("put the decay into the gradient, as in L2 regularisation", _with_l2(w, g, m, v, rates)),
            Mistake("swapped beta1 and beta2", MINUS_ONE * decayed - _all(g, m, v, swapped)),
            Mistake(
                "forgot to square the gradient in v",
                MINUS_ONE * decayed - _step(new[0], _moment(v, g, rates.beta2), rates),
            ),
            Mistake("plain gradient descent", MINUS_ONE * rates.eta * g),
        ],
    )


def _scene(source: Source) -> str:
    return source.scene(
        f"this is step {STEP_NUMBER} of training, after {STEP_NUMBER - 1} on other words, with clipped gradients"
    )


def _give_rates(givens: Givens, optimizer: Optimizer, *, decay: bool) -> Rates:
    eta = givens.number("eta", "the learning rate", optimizer.learning_rate)
    share = givens.number("decay", "the weight decay", optimizer.weight_decay) if decay else ZERO
    beta1 = givens.number("beta1", "how much of the average gradient is kept in a step", optimizer.beta1)
    beta2 = givens.number("beta2", "how much of the average square is kept in a step", optimizer.beta2)
    return Rates(eta, share, beta1, beta2, givens.number("epsilon", "prevents division by 0", optimizer.adam_epsilon))


def _moment(before: Expression, new: Expression, beta: Expression) -> Expression:
    return beta * before + (ONE - beta) * new


def _correct(moment: Expression, beta: Expression, step: int = STEP_NUMBER) -> Expression:
    return moment / (ONE - (beta if step == 1 else Product((beta,) * step)))


def _step(
    m: Expression,
    v: Expression,
    rates: Rates,
    *,
    step: int = STEP_NUMBER,
    correct_m: bool = True,
    correct_v: bool = True,
) -> Expression:
    average = _correct(m, rates.beta1, step) if correct_m else m
    square = _correct(v, rates.beta2, step) if correct_v else v
    return rates.eta * average / (sqrt(square) + rates.epsilon)


def _correction_lines(m: Expression, v: Expression, rates: Rates) -> list[Line]:
    average, square = Cells("corrected_m")[()], Cells("corrected_v")[()]
    return [
        Line("corrected_m", (), _correct(m, rates.beta1)),
        Line("corrected_v", (), _correct(v, rates.beta2)),
        Line("step", (), rates.eta * average / (sqrt(square) + rates.epsilon)),
    ]


def _all(g: Expression, m: Expression, v: Expression, rates: Rates) -> Expression:
    """Return the step, computed from the gradient and the moments before it."""
    return _step(_moment(m, g, rates.beta1), _moment(v, g * g, rates.beta2), rates)


def _with_l2(w: Expression, g: Expression, m: Expression, v: Expression, rates: Rates) -> Expression:
    return MINUS_ONE * _all(g + rates.decay * w, m, v, rates)


def _new_moments(weight: Weight, optimizer: Optimizer) -> tuple[Decimal, Decimal]:
    b1, b2, g = optimizer.beta1, optimizer.beta2, weight.gradient
    return b1 * weight.m + (1 - b1) * g, b2 * weight.v + (1 - b2) * g * g
