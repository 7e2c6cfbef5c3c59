"""Feed-forward network: each position by itself is widened, bent, and narrowed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Cells, Constant, Expression, largest, tanh
from handcalc.arithmetic.number_format import format_number
from handcalc.forward.affine import affine, affine_equation, affine_weights
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig

ROOT_2_OVER_PI = "0.7978845608028653558798921198687637369517172623298693153318516593"
"""√(2/π). A page shows 10 digits of it, as calculators do, and 6 more than of its other numbers if that is more: so the
constant's own error is far below theirs."""

CUBIC = Constant("0.044715")


def root_2_over_pi(digits: int) -> Constant:
    """Return √(2/π) as a page of numbers with so many digits shows it."""
    return Constant(ROOT_2_OVER_PI[: 2 + max(10, digits + 6)])


def feed_forward_steps(block: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps from ``ln_2.out`` (T, C) through the hidden layer (T, F) to ``mlp.out`` (T, C).

    Raises
    ------
    UserError
        If the activation is erf GELU, whose erf no pocket calculator has.
    """
    mlp, normed = f"{block}.mlp", Cells(f"{block}.ln_2.out")
    yield Step(
        name=f"{mlp}.hidden",
        axes="tf",
        equation=affine_equation("hidden[t,f]", "ln_2.out[t,c]", "c_fc", "f", sum_over="c", bias=config.bias),
        section="9.1",
        meaning=f"Each of the {sizes.f} hidden units looks for a pattern: a weighted sum of the position's vector.",
        cell=lambda t, f: affine(normed, t, f"{mlp}.c_fc", f, width=sizes.c, bias=config.bias),
        weights=affine_weights(f"{mlp}.c_fc", "cf", bias=config.bias),
    )
    yield from _activation(config.activation)(mlp, digits)
    activated = Cells(f"{mlp}.activated")
    yield Step(
        name=f"{mlp}.out",
        axes="tc",
        equation=affine_equation("out[t,c]", "activated[t,f]", "c_proj", "c", sum_over="f", bias=config.bias),
        section="9.3",
        meaning="What the patterns found say about each channel: a weighted sum over all hidden units.",
        cell=lambda t, c: affine(activated, t, f"{mlp}.c_proj", c, width=sizes.f, bias=config.bias),
        weights=affine_weights(f"{mlp}.c_proj", "fc", bias=config.bias),
    )


def _activation(name: str) -> Callable[[str, int], Iterator[Step]]:
    if name == "gelu_tanh":
        return _gelu_steps
    if name == "relu":
        return _relu_steps
    raise UserError(
        f"this model's activation is {name}, which is not among the calculator's functions (exp log sqrt tanh max); "
        "trace a model with gelu_tanh or relu"
    )


def _gelu_steps(mlp: str, digits: int) -> Iterator[Step]:
    """Yield GELU in its tanh form, ½x(1 + tanh(√(2/π)(x + 0.044715x³))), x the hidden unit."""
    hidden, argument, bend = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.argument"), Cells(f"{mlp}.gelu.tanh")
    root, half, one = root_2_over_pi(digits), Constant("0.5"), Constant(1)

    def argument_cell(t: int, f: int) -> Expression:
        x = hidden[t, f]
        return root * (x + CUBIC * x * x * x)

    yield Step(
        name=f"{mlp}.gelu.argument",
        axes="tf",
        equation=f"argument[t,f] = {format_number(root.value)}·(x + 0.044715·x·x·x),  x = hidden[t,f]",
        section="5.1",
        meaning="GELU lets large numbers pass and holds negative ones back. First, how far to open: "
        f"{format_number(root.value)} is √(2/π).",
        cell=argument_cell,
    )
    yield Step(
        name=f"{mlp}.gelu.tanh",
        axes="tf",
        equation="tanh[t,f] = tanh(argument[t,f])",
        section="5.2",
        meaning="Squashed to between -1 (shut) and 1 (wide open).",
        cell=lambda t, f: tanh(argument[t, f]),
    )
    yield Step(
        name=f"{mlp}.activated",
        axes="tf",
        equation="activated[t,f] = 0.5·hidden[t,f]·(1 + tanh[t,f])",
        section="5.3, 9.2",
        meaning="The hidden unit as far as it is let through: all of it where tanh is 1, nothing where it is -1.",
        cell=lambda t, f: half * hidden[t, f] * (one + bend[t, f]),
    )


def _relu_steps(mlp: str, digits: int) -> Iterator[Step]:
    """Yield ReLU, max(0, x)."""
    hidden, zero = Cells(f"{mlp}.hidden"), Constant(0)
    yield Step(
        name=f"{mlp}.activated",
        axes="tf",
        equation="activated[t,f] = max(0, hidden[t,f])",
        section="5.8, 9.2",
        meaning="Positive numbers pass, negative ones become 0.",
        cell=lambda t, f: largest((zero, hidden[t, f])),
    )
