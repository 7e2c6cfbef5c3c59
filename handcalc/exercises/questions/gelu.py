"""Exercises on GELU, in the tanh form of GPT-2."""

from __future__ import annotations

from random import Random

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import (
    HALF,
    MINUS_ONE,
    ONE,
    ZERO,
    Cells,
    Constant,
    Expression,
    exp,
    largest,
    tanh,
    total,
)
from handcalc.exercises.exercise import Exercise, Givens, Line, Mistake
from handcalc.exercises.source import Source
from handcalc.formulas.feed_forward import CUBIC, ROOT_2_OVER_PI, root_2_over_pi

GELU = "gelu"
_LARGEST_FOR_SERIES, _TAIL = 4, -2
_TERMS_OF_SERIES = 60


def activated(source: Source, rng: Random) -> Exercise:
    """Level 1: the last step, with tanh given."""
    layer, t, f, givens = *_random_unit(source, rng), Givens()
    x = _give_unit(givens, source, layer, t, f)
    bend = givens.number(
        "tanh", "the tanh, which decides how much passes", source.forward.numbers[f"h.{layer}.mlp.gelu.tanh"][t, f]
    )
    return givens.exercise(
        GELU,
        1,
        source.scene(f"layer {layer}, {source.word(t)}"),
        "The last step of GELU: half of the unit, times one plus tanh.",
        "activated = 0.5·hidden·(1 + tanh)",
        [Line("activated", (), HALF * x * (ONE + bend))],
        [
            Mistake("forgot the half", x * (ONE + bend)),
            Mistake("forgot the one", HALF * x * bend),
            Mistake("parentheses: half of the unit, plus tanh", HALF * x + bend),
            Mistake("ReLU instead of GELU", largest((ZERO, x))),
        ],
    )


def argument(source: Source, rng: Random) -> Exercise:
    """Level 2: the argument of tanh."""
    layer, t, f, givens = *_random_unit(source, rng), Givens()
    x = _give_unit(givens, source, layer, t, f)
    root = root_2_over_pi(source.digits)
    return givens.exercise(
        GELU,
        2,
        source.scene(f"layer {layer}, {source.word(t)}"),
        "Work out the argument of GELU's tanh.",
        f"argument = {root.value}·(hidden + 0.044715·hidden³)",
        [Line("argument", (), root * (x + CUBIC * x * x * x))],
        [
            Mistake("squared instead of cubed", root * (x + CUBIC * x * x)),
            Mistake("forgot the cubic term", root * x),
            Mistake("forgot √(2/π)", x + CUBIC * x * x * x),
            Mistake("2/π instead of its root", root * root * (x + CUBIC * x * x * x)),
            Mistake("parentheses: only the unit times √(2/π)", root * x + CUBIC * x * x * x),
        ],
    )


def whole(source: Source, rng: Random) -> Exercise:
    """Level 3: GELU of a hidden unit."""
    layer, t, f, givens = *_random_unit(source, rng, tail=rng.random() < 0.5), Givens()
    x = _give_unit(givens, source, layer, t, f)
    root = root_2_over_pi(source.digits)
    inner, bend = Cells("argument")[()], Cells("tanh")[()]
    mistakes = [
        Mistake("forgot the half", x * (ONE + bend)),
        Mistake("forgot the one", HALF * x * bend),
        Mistake("forgot the tanh", HALF * x * (ONE + inner)),
        Mistake("forgot the cubic term", HALF * x * (ONE + tanh(root * x))),
        Mistake("forgot √(2/π)", HALF * x * (ONE + tanh(x + CUBIC * x * x * x))),
        Mistake("ReLU instead of GELU", largest((ZERO, x))),
        Mistake("x·sigmoid(1.702·x) instead of tanh", x / (ONE + exp(Constant("-1.702") * x))),
        Mistake("x·sigmoid(x): SiLU instead of GELU", x / (ONE + exp(MINUS_ONE * x))),
    ]
    if abs(givens.numbers["hidden"][()]) <= _LARGEST_FOR_SERIES:
        mistakes.append(Mistake("erf instead of tanh: the exact GELU", HALF * x * (ONE + _erf_of_x_over_root_2(x))))
    return givens.exercise(
        GELU,
        3,
        source.scene(f"layer {layer}, {source.word(t)}"),
        "Work out GELU of this hidden unit.",
        f"activated = 0.5·hidden·(1 + tanh({root.value}·(hidden + 0.044715·hidden³)))",
        [
            Line("argument", (), root * (x + CUBIC * x * x * x)),
            Line("tanh", (), tanh(inner)),
            Line("activated", (), HALF * x * (ONE + bend)),
        ],
        mistakes,
    )


def _erf_of_x_over_root_2(x: Expression) -> Expression:
    """Return erf(x/√2) = √(2/π)·Σ_n (−1)ⁿ·x^(2n+1) / (2ⁿ·n!·(2n + 1)), enough terms of it for |x| ≤ 4."""
    terms, power, divisor = [], x, 1
    for n in range(_TERMS_OF_SERIES):
        terms.append(power / Constant(divisor * (2 * n + 1)))
        power, divisor = power * x * x, divisor * -2 * (n + 1)
    return Constant(ROOT_2_OVER_PI) * total(terms)


def _random_unit(source: Source, rng: Random, *, tail: bool = False) -> tuple[int, int, int]:
    """Return layer, position and number of a hidden unit whose GELU is neither 0 nor the unit itself.

    ``tail`` asks for one far enough below 0 for the two forms of GELU to differ in the digits of an answer.
    """
    if source.config.activation != "gelu_tanh" or source.config.n_layer == 0:
        raise UserError("this model has no GELU of the tanh form to ask about; choose another --topic or --model")
    layer = rng.randrange(source.config.n_layer)
    hidden = source.forward.numbers[f"h.{layer}.mlp.hidden"]
    bent = [index for index, value in hidden.items() if value and abs(value) < 3]
    low = [index for index in bent if hidden[index] < _TAIL]
    t, f = rng.choice((low if tail else bent) or bent or list(hidden))
    return layer, t, f


def _give_unit(givens: Givens, source: Source, layer: int, t: int, f: int) -> Expression:
    value = source.forward.numbers[f"h.{layer}.mlp.hidden"][t, f]
    return givens.number("hidden", f"hidden unit {f} at {source.word(t)}", value)
