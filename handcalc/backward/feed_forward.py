"""The feed-forward network undone; GELU one activation at a time: (5.10), (5.11) and (5.12) in place of (5.4)."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Expression, Positive
from handcalc.arithmetic.number_format import format_number
from handcalc.backward.gradient import HALF, ONE, THREE, gradient, gradient_step
from handcalc.backward.linear import Linear, linear_input_step, linear_parameter_steps
from handcalc.forward.feed_forward import CUBIC, root_2_over_pi
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


def feed_forward_gradient_steps(block: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients from the network's last weights back to ``ln_2.out`` (T, C)."""
    mlp = f"{block}.mlp"
    second = Linear(f"{mlp}.c_proj", f"{mlp}.activated", f"{mlp}.out", "f", "c")
    yield from linear_parameter_steps(second, sizes, bias=config.bias)
    yield linear_input_step(
        second,
        sizes,
        section="9.4",
        meaning="Each hidden unit spoke to all channels, each time with another weight; it hears back from all of "
        "them, with the same weights.",
    )
    yield from _relu_step(mlp) if config.activation == "relu" else _gelu_steps(mlp, digits)
    first = Linear(f"{mlp}.c_fc", f"{block}.ln_2.out", f"{mlp}.hidden", "c", "f")
    yield from linear_parameter_steps(first, sizes, bias=config.bias)
    yield linear_input_step(
        first,
        sizes,
        section="9.6",
        meaning="Each channel was read by all hidden units, and hears back from all of them.",
    )


def _gelu_steps(mlp: str, digits: int) -> Iterator[Step]:
    hidden, bend = Cells(f"{mlp}.hidden"), Cells(f"{mlp}.gelu.tanh")
    dactivated, dtanh = gradient(f"{mlp}.activated"), gradient(f"{mlp}.gelu.tanh")
    dargument, root = gradient(f"{mlp}.gelu.argument"), root_2_over_pi(digits)
    yield gradient_step(
        f"{mlp}.gelu.tanh",
        "tf",
        "dtanh[t,f] = dactivated[t,f]·0.5·hidden[t,f]",
        "5.10",
        "How far the unit is open was multiplied by half the unit itself.",
        lambda t, f: dactivated[t, f] * HALF * hidden[t, f],
        undoes=(f"{mlp}.activated",),
    )
    yield gradient_step(
        f"{mlp}.gelu.argument",
        "tf",
        "dargument[t,f] = dtanh[t,f]·(1 - tanh[t,f]·tanh[t,f])",
        "5.11",
        "The slope of tanh is 1 - tanh²: where it is squashed flat, nothing comes back.",
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
        "The hidden unit was used twice: it was let through, and it decided how far it is let through. Both parts add "
        "up.",
        hidden_cell,
        undoes=(f"{mlp}.activated", f"{mlp}.gelu.argument"),
    )


def _relu_step(mlp: str) -> Iterator[Step]:
    hidden, dactivated = Cells(f"{mlp}.hidden"), gradient(f"{mlp}.activated")
    yield gradient_step(
        f"{mlp}.hidden",
        "tf",
        "dhidden[t,f] = dactivated[t,f]·1 where hidden[t,f] > 0, else dactivated[t,f]·0",
        "5.9, 9.5",
        "Where the unit was let through, the gradient is; where it was held back, nothing comes back.",
        lambda t, f: dactivated[t, f] * Positive(hidden[t, f]),
        undoes=(f"{mlp}.activated",),
    )
