"""RMSNorm: each position's vector is scaled to a mean square of 1, without shift or learned weights.

Backward one activation at a time, where numpy_gpt uses the fused formula (19.4): (19.5) is the gradient of the factor,
(19.6) of the mean square, and (19.7) of the input.
"""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import HALF, ONE, TWO, Cells, Constant, sqrt, total
from handcalc.formulas.norms.layer_norm import write_epsilon
from handcalc.formulas.step import Sizes, Step, gradient, gradient_step
from numpy_gpt.shared.model.config import GPTConfig


def rms_norm_steps(norm: str, x: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps out = x / √(mean of x² + ε), row by row over the channels."""
    source, mean_square, rrms = Cells(x), Cells(f"{norm}.mean_square"), Cells(f"{norm}.rrms")
    epsilon = Constant(repr(config.layer_norm_epsilon))
    yield Step(
        name=f"{norm}.mean_square",
        axes="t",
        equation=f"mean_square[t] = Σ_c {x}[t,c]·{x}[t,c] / {sizes.c}",
        section="19.1",
        meaning="The mean of the squares of each position's vector.",
        cell=lambda t: total(source[t, c] * source[t, c] for c in range(sizes.c)) / Constant(sizes.c),
    )
    yield Step(
        name=f"{norm}.rrms",
        axes="t",
        equation=f"rrms[t] = 1 / √(mean_square[t] + ε),  {write_epsilon(epsilon.value)}",
        section="19.2",
        meaning="One over the root of that mean, the factor that makes the mean square 1; ε prevents division by 0.",
        cell=lambda t: ONE / sqrt(mean_square[t] + epsilon),
    )
    yield Step(
        name=f"{norm}.out",
        axes="tc",
        equation=f"out[t,c] = {x}[t,c]·rrms[t]",
        section="19.3",
        meaning="Each position's vector, now with mean square 1.",
        cell=lambda t, c: source[t, c] * rrms[t],
    )


# Backward


def rms_norm_gradient_steps(norm: str, x: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from the norm's factor down to ``dx`` (T, C), that of its input ``x``."""
    source, rrms, width, channels = Cells(x), Cells(f"{norm}.rrms"), Constant(sizes.c), range(sizes.c)
    dout, drrms, dsquare = gradient(f"{norm}.out"), gradient(f"{norm}.rrms"), gradient(f"{norm}.mean_square")
    minus_half = Constant(-HALF.value)
    yield gradient_step(
        f"{norm}.rrms",
        "t",
        f"drrms[t] = Σ_c dout[t,c]·{x}[t,c]",
        "19.5",
        "All channels of a position were multiplied by this one factor, so its gradient is the sum over all of them.",
        lambda t: total(dout[t, c] * source[t, c] for c in channels),
        undoes=(f"{norm}.out",),
    )
    yield gradient_step(
        f"{norm}.mean_square",
        "t",
        "dmean_square[t] = -0.5·rrms[t]·rrms[t]·rrms[t]·drrms[t]",
        "19.6",
        "The factor is the mean square to the power -1/2, whose slope is -1/2 times the mean square to the power -3/2: "
        "a longer vector makes the factor smaller.",
        lambda t: minus_half * rrms[t] * rrms[t] * rrms[t] * drrms[t],
        undoes=(f"{norm}.rrms",),
    )
    yield gradient_step(
        f"{norm}.x",
        "tc",
        f"dx[t,c] = dout[t,c]·rrms[t] + 2·{x}[t,c]·dmean_square[t] / {sizes.c}",
        "19.7",
        "The gradient of the norm's input x. Each number was used twice: it was scaled, and squared in the mean. The "
        "two gradients add up.",
        lambda t, c: dout[t, c] * rrms[t] + TWO * source[t, c] * dsquare[t] / width,
        undoes=(f"{norm}.out", f"{norm}.mean_square"),
    )
