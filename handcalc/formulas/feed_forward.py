"""Feed-forward network: each position by itself is widened, passed through an activation, and narrowed again.

Backward, GELU is undone one activation at a time: (5.10), (5.11) and (5.12) instead of (5.4), and in its erf form
(5.13) and (5.14) instead of (5.7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import (
    HALF,
    ONE,
    THREE,
    TWO,
    ZERO,
    Cells,
    Constant,
    Expression,
    Positive,
    erf,
    exp,
    largest,
    sqrt,
    tanh,
)
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.linear import (
    Linear,
    linear_input_gradient_step,
    linear_parameter_gradient_steps,
    linear_step,
)
from handcalc.formulas.step import Sizes, Step, gradient, gradient_step
from numpy_gpt.shared.model.config import GPTConfig

ROOT_2_OVER_PI = "0.7978845608028653558798921198687637369517172623298693153318516593"
"""√(2/π). A page shows 10 digits of it, as calculators do, or 6 more than its other numbers have, if that is more, so
that the constant's own error is far below theirs."""

CUBIC = Constant("0.044715")


def root_2_over_pi(digits: int) -> Constant:
    """Return √(2/π) as it appears on a page whose numbers have so many digits."""
    return Constant(ROOT_2_OVER_PI[: 2 + max(10, digits + 6)])


def feed_forward_steps(block: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps from ``ln_2.out`` (T, C) through the hidden layer (T, F) to ``mlp.out`` (T, C)."""
    first, second = _linears(block)
    yield linear_step(
        first,
        sizes,
        bias=config.bias,
        section="9.1",
        meaning=f"Each of the {sizes.f} hidden units looks for a pattern: a weighted sum of the position's vector.",
    )
    yield from _activation(config.activation)(f"{block}.mlp", digits)
    yield linear_step(
        second,
        sizes,
        bias=config.bias,
        section="9.3",
        meaning="What the patterns contribute to each channel: a weighted sum over all hidden units.",
    )


def _linears(block: str) -> tuple[Linear, Linear]:
    mlp = f"{block}.mlp"
    return (
        Linear(f"{mlp}.c_fc", f"{block}.ln_2.out", f"{mlp}.hidden", "c", "f"),
        Linear(f"{mlp}.c_proj", f"{mlp}.activated", f"{mlp}.out", "f", "c"),
    )


def _activation(name: str) -> Callable[[str, int], Iterator[Step]]:
    return {"gelu_tanh": _gelu_steps, "gelu_erf": _gelu_erf_steps, "relu": _relu_steps}[name]


def _gelu_steps(mlp: str, digits: int) -> Iterator[Step]:
    """Yield GELU in its tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))), where x is the hidden unit."""
    hidden, argument, bend = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.argument"), Cells(f"{mlp}.gelu.tanh")
    root = root_2_over_pi(digits)

    def argument_cell(t: int, f: int) -> Expression:
        x = hidden[t, f]
        return root * (x + CUBIC * x * x * x)

    yield Step(
        name=f"{mlp}.gelu.argument",
        axes="tf",
        equation=f"argument[t,f] = {format_number(root.value)}·(x + 0.044715·x·x·x),  x = hidden[t,f]",
        section="5.1",
        meaning="GELU passes large numbers on and suppresses negative ones. First, the argument of tanh, which decides "
        f"how much passes: {format_number(root.value)} is √(2/π).",
        cell=argument_cell,
    )
    yield Step(
        name=f"{mlp}.gelu.tanh",
        axes="tf",
        equation="tanh[t,f] = tanh(argument[t,f])",
        section="5.2",
        meaning="Squashed to between -1 (nothing passes) and 1 (everything passes).",
        cell=lambda t, f: tanh(argument[t, f]),
    )
    yield Step(
        name=f"{mlp}.activated",
        axes="tf",
        equation="activated[t,f] = 0.5·hidden[t,f]·(1 + tanh[t,f])",
        section="5.3, 9.2",
        meaning="The part of the hidden unit that passes: all of it where tanh is 1, nothing where tanh is -1.",
        cell=lambda t, f: HALF * hidden[t, f] * (ONE + bend[t, f]),
    )


def _gelu_erf_steps(mlp: str, digits: int) -> Iterator[Step]:
    """Yield GELU in its exact form, ½x(1 + erf(x/√2)), where x is the hidden unit."""
    hidden, bend, root = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.erf"), sqrt(TWO)
    yield Step(
        name=f"{mlp}.gelu.erf",
        axes="tf",
        equation="erf[t,f] = erf(hidden[t,f] / √2)",
        section="5.5",
        meaning="GELU passes large numbers on and suppresses negative ones. First, erf, the error function, decides "
        "how much passes: it lies between -1 (nothing passes) and 1 (everything passes).",
        cell=lambda t, f: erf(hidden[t, f] / root),
    )
    yield Step(
        name=f"{mlp}.activated",
        axes="tf",
        equation="activated[t,f] = 0.5·hidden[t,f]·(1 + erf[t,f])",
        section="5.6, 9.2",
        meaning="The part of the hidden unit that passes: all of it where erf is 1, nothing where erf is -1.",
        cell=lambda t, f: HALF * hidden[t, f] * (ONE + bend[t, f]),
    )


def _relu_steps(mlp: str, digits: int) -> Iterator[Step]:
    """Yield ReLU, max(0, x)."""
    hidden = Cells(f"{mlp}.hidden")
    yield Step(
        name=f"{mlp}.activated",
        axes="tf",
        equation="activated[t,f] = max(0, hidden[t,f])",
        section="5.8, 9.2",
        meaning="Positive numbers pass, negative ones become 0.",
        cell=lambda t, f: largest((ZERO, hidden[t, f])),
    )


# Backward


def feed_forward_gradient_steps(block: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients from the network's last weights back to ``ln_2.out`` (T, C)."""
    mlp = f"{block}.mlp"
    first, second = _linears(block)
    yield from linear_parameter_gradient_steps(second, sizes, bias=config.bias)
    yield linear_input_gradient_step(
        second,
        sizes,
        section="9.4",
        meaning="Each hidden unit went into all channels, each time with a different weight; its gradient is the sum "
        "over all of them, with the same weights.",
    )
    yield from _activation_gradient(config.activation)(mlp, digits)
    yield from linear_parameter_gradient_steps(first, sizes, bias=config.bias)
    yield linear_input_gradient_step(
        first,
        sizes,
        section="9.6",
        meaning="Each channel went into all hidden units, so its gradient is the sum over all of them.",
    )


def _activation_gradient(name: str) -> Callable[[str, int], Iterator[Step]]:
    steps = {"gelu_tanh": _gelu_gradient_steps, "gelu_erf": _gelu_erf_gradient_steps, "relu": _relu_gradient_steps}
    return steps[name]


def _gelu_gradient_steps(mlp: str, digits: int) -> Iterator[Step]:
    hidden, bend = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.tanh")
    dactivated, dtanh = gradient(f"{mlp}.activated"), gradient(f"{mlp}.gelu.tanh")
    dargument, root = gradient(f"{mlp}.gelu.argument"), root_2_over_pi(digits)
    yield gradient_step(
        f"{mlp}.gelu.tanh",
        "tf",
        "dtanh[t,f] = dactivated[t,f]·0.5·hidden[t,f]",
        "5.10",
        "tanh was multiplied by half the hidden unit.",
        lambda t, f: dactivated[t, f] * HALF * hidden[t, f],
        undoes=(f"{mlp}.activated",),
    )
    yield gradient_step(
        f"{mlp}.gelu.argument",
        "tf",
        "dargument[t,f] = dtanh[t,f]·(1 - tanh[t,f]·tanh[t,f])",
        "5.11",
        "The slope of tanh is 1 - tanh²: where tanh is flat, nothing comes back.",
        lambda t, f: dtanh[t, f] * (ONE - bend[t, f] * bend[t, f]),
        undoes=(f"{mlp}.gelu.tanh",),
    )

    def hidden_cell(t: int, f: int) -> Expression:
        x = hidden[t, f]
        through_tanh = dargument[t, f] * root * (ONE + THREE * CUBIC * x * x)
        return dactivated[t, f] * HALF * (ONE + bend[t, f]) + through_tanh

    yield gradient_step(
        f"{mlp}.hidden",
        "tf",
        "dhidden[t,f] = dactivated[t,f]·0.5·(1 + tanh[t,f]) + dargument[t,f]·"
        f"{format_number(root.value)}·(1 + 3·0.044715·x·x),  x = hidden[t,f]",
        "5.12, 9.5",
        "The hidden unit was used twice: it was passed on, and it decided how much of it passes. The two gradients add "
        "up.",
        hidden_cell,
        undoes=(f"{mlp}.activated", f"{mlp}.gelu.argument"),
    )


def _gelu_erf_gradient_steps(mlp: str, digits: int) -> Iterator[Step]:
    hidden, bend, minus_half = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.erf"), Constant(-HALF.value)
    dactivated, derf = gradient(f"{mlp}.activated"), gradient(f"{mlp}.gelu.erf")
    root = root_2_over_pi(digits)
    yield gradient_step(
        f"{mlp}.gelu.erf",
        "tf",
        "derf[t,f] = dactivated[t,f]·0.5·hidden[t,f]",
        "5.13",
        "erf was multiplied by half the hidden unit.",
        lambda t, f: dactivated[t, f] * HALF * hidden[t, f],
        undoes=(f"{mlp}.activated",),
    )

    def hidden_cell(t: int, f: int) -> Expression:
        x = hidden[t, f]
        through_erf = derf[t, f] * root * exp(minus_half * x * x)
        return dactivated[t, f] * HALF * (ONE + bend[t, f]) + through_erf

    yield gradient_step(
        f"{mlp}.hidden",
        "tf",
        f"dhidden[t,f] = dactivated[t,f]·0.5·(1 + erf[t,f]) + derf[t,f]·{format_number(root.value)}·exp(-0.5·x·x),  "
        "x = hidden[t,f]",
        "5.14, 9.5",
        "The hidden unit was used twice: it was passed on, and it decided how much of it passes. The slope of "
        f"erf(x/√2) is √(2/π)·exp(-x²/2), and {format_number(root.value)} is √(2/π). The two gradients add up.",
        hidden_cell,
        undoes=(f"{mlp}.activated", f"{mlp}.gelu.erf"),
    )


def _relu_gradient_steps(mlp: str, digits: int) -> Iterator[Step]:
    hidden, dactivated = Cells(f"{mlp}.hidden"), gradient(f"{mlp}.activated")
    yield gradient_step(
        f"{mlp}.hidden",
        "tf",
        "dhidden[t,f] = dactivated[t,f]·1 where hidden[t,f] > 0, else dactivated[t,f]·0",
        "5.9, 9.5",
        "Where the unit passed, its gradient passes; where the unit was set to 0, nothing comes back.",
        lambda t, f: dactivated[t, f] * Positive(hidden[t, f]),
        undoes=(f"{mlp}.activated",),
    )
