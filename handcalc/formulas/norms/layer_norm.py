"""Layer norm: each position's vector is shifted to mean 0, scaled to variance 1, then scaled by learned weights.

Backward one activation at a time, where numpy_gpt uses the fused formula (4.10): (4.11) is the gradient of the factor,
(4.12) of the variance, (4.13) of the distances from the mean, (4.14) of the mean, and (4.15) of the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from handcalc.arithmetic.expression import HALF, MINUS_ONE, ONE, TWO, Cells, Constant, sqrt, total
from handcalc.arithmetic.notation import NUMBER
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.linear import affine_weights
from handcalc.formulas.step import Sizes, Step, gradient, gradient_step
from numpy_gpt.shared.model.config import GPTConfig


def layer_norm_steps(norm: str, x: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps out = (x − mean) / √(variance + ε) × weight + bias, row by row over the channels."""
    yield from _centering_steps(norm, x, sizes)
    yield from _scaling_steps(norm, config)


def _centering_steps(norm: str, x: str, sizes: Sizes) -> Iterator[Step]:
    source, mean, centered = Cells(x), Cells(f"{norm}.mean"), Cells(f"{norm}.centered")
    width, channels = Constant(sizes.c), range(sizes.c)
    yield Step(
        name=f"{norm}.mean",
        axes="t",
        equation=f"mean[t] = Σ_c {x}[t,c] / {sizes.c}",
        section="4.1",
        meaning="The mean of each position's vector.",
        cell=lambda t: total(source[t, c] for c in channels) / width,
    )
    yield Step(
        name=f"{norm}.centered",
        axes="tc",
        equation=f"centered[t,c] = {x}[t,c] - mean[t]",
        section="4.2",
        meaning="How far each number is above or below that mean.",
        cell=lambda t, c: source[t, c] - mean[t],
    )
    yield Step(
        name=f"{norm}.variance",
        axes="t",
        equation=f"variance[t] = Σ_c centered[t,c]·centered[t,c] / {sizes.c}",
        section="4.3",
        meaning="The mean of the squared distances: how widely a position's numbers are spread.",
        cell=lambda t: total(centered[t, c] * centered[t, c] for c in channels) / width,
    )


def write_epsilon(epsilon: Decimal) -> str:
    """Return ε as the equation of ``rstd`` shows it."""
    return f"ε = {format_number(epsilon)}"


def read_epsilon(text: str) -> float | None:
    """Return the ε of the first equation in a text that shows it, or None."""
    match = re.search(f"ε = ({NUMBER})", text)
    return float(match[1]) if match else None


def _scaling_steps(norm: str, config: GPTConfig) -> Iterator[Step]:
    centered, variance, rstd = Cells(f"{norm}.centered"), Cells(f"{norm}.variance"), Cells(f"{norm}.rstd")
    normalized, weight, bias = Cells(f"{norm}.normalized"), Cells(f"{norm}.weight"), Cells(f"{norm}.bias")
    epsilon = Constant(repr(config.layer_norm_epsilon))
    yield Step(
        name=f"{norm}.rstd",
        axes="t",
        equation=f"rstd[t] = 1 / √(variance[t] + ε),  {write_epsilon(epsilon.value)}",
        section="4.4",
        meaning="One over the standard deviation, the factor that makes the variance 1; ε prevents division by 0.",
        cell=lambda t: ONE / sqrt(variance[t] + epsilon),
    )
    yield Step(
        name=f"{norm}.normalized",
        axes="tc",
        equation="normalized[t,c] = centered[t,c]·rstd[t]",
        section="4.5",
        meaning="Each position's vector, now with mean 0 and variance 1.",
        cell=lambda t, c: centered[t, c] * rstd[t],
    )
    yield Step(
        name=f"{norm}.out",
        axes="tc",
        equation="out[t,c] = normalized[t,c]·weight[c]" + " + bias[c]" * config.bias,
        section="4.6",
        meaning="Each channel is scaled by a learned weight"
        + (", then shifted by a learned bias." if config.bias else "."),
        cell=(
            (lambda t, c: normalized[t, c] * weight[c] + bias[c])
            if config.bias
            else (lambda t, c: normalized[t, c] * weight[c])
        ),
        weights=affine_weights(norm, "c", bias=config.bias),
    )


# Backward


def layer_norm_gradient_steps(norm: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from the norm's ``weight`` down to ``dx`` (T, C), that of its input."""
    yield from _parameter_gradient_steps(norm, config, sizes)
    yield from _scaling_gradient_steps(norm, sizes)
    yield from _centering_gradient_steps(norm, sizes)


def _parameter_gradient_steps(norm: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    out, dout, normalized = f"{norm}.out", gradient(f"{norm}.out"), Cells(f"{norm}.normalized")
    weight, positions = Cells(f"{norm}.weight"), range(sizes.t)
    yield gradient_step(
        f"{norm}.weight",
        "c",
        "dweight[c] = Σ_t dout[t,c]·normalized[t,c]",
        "4.7",
        "The gradient of each channel's weight: the number it scaled times the gradient of the result, summed over all "
        "positions.",
        lambda c: total(dout[t, c] * normalized[t, c] for t in positions),
        undoes=(out,),
    )
    if config.bias:
        yield gradient_step(
            f"{norm}.bias",
            "c",
            "dbias[c] = Σ_t dout[t,c]",
            "4.8",
            "The bias was added at every position, so its gradient is the sum over all positions.",
            lambda c: total(dout[t, c] for t in positions),
            undoes=(out,),
        )
    yield gradient_step(
        f"{norm}.normalized",
        "tc",
        "dnormalized[t,c] = dout[t,c]·weight[c]",
        "4.9",
        "Scaled by the weight on the way forward, so scaled by the weight on the way back.",
        lambda t, c: dout[t, c] * weight[c],
        undoes=(out,),
        weights=affine_weights(norm, "c", bias=False),
    )


def _scaling_gradient_steps(norm: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of each position's one factor, and of the variance from which it was computed."""
    centered, rstd = Cells(f"{norm}.centered"), Cells(f"{norm}.rstd")
    dnormalized, drstd = gradient(f"{norm}.normalized"), gradient(f"{norm}.rstd")
    minus_half = Constant(-HALF.value)
    yield gradient_step(
        f"{norm}.rstd",
        "t",
        "drstd[t] = Σ_c dnormalized[t,c]·centered[t,c]",
        "4.11",
        "All channels of a position were multiplied by this one factor, so its gradient is the sum over all of them.",
        lambda t: total(dnormalized[t, c] * centered[t, c] for c in range(sizes.c)),
        undoes=(f"{norm}.normalized",),
    )
    yield gradient_step(
        f"{norm}.variance",
        "t",
        "dvariance[t] = -0.5·rstd[t]·rstd[t]·rstd[t]·drstd[t]",
        "4.12",
        "The factor is the variance to the power -1/2, whose slope is -1/2 times the variance to the power -3/2: a "
        "larger variance makes the factor smaller.",
        lambda t: minus_half * rstd[t] * rstd[t] * rstd[t] * drstd[t],
        undoes=(f"{norm}.rstd",),
    )


def _centering_gradient_steps(norm: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the distances from the mean, of the mean, and of the input itself."""
    centered, rstd, width, channels = Cells(f"{norm}.centered"), Cells(f"{norm}.rstd"), sizes.c, range(sizes.c)
    dnormalized, dvariance = gradient(f"{norm}.normalized"), gradient(f"{norm}.variance")
    dcentered, dmean = gradient(f"{norm}.centered"), gradient(f"{norm}.mean")
    yield gradient_step(
        f"{norm}.centered",
        "tc",
        f"dcentered[t,c] = dnormalized[t,c]·rstd[t] + 2·centered[t,c]·dvariance[t] / {width}",
        "4.13",
        "Each distance from the mean was used twice: it was scaled, and it was squared in the variance. The two "
        "gradients add up.",
        lambda t, c: dnormalized[t, c] * rstd[t] + TWO * centered[t, c] * dvariance[t] / Constant(width),
        undoes=(f"{norm}.normalized", f"{norm}.variance"),
    )
    yield gradient_step(
        f"{norm}.mean",
        "t",
        "dmean[t] = -Σ_c dcentered[t,c]",
        "4.14",
        "The mean was subtracted from every channel: a higher mean lowers them all.",
        lambda t: MINUS_ONE * total(dcentered[t, c] for c in channels),
        undoes=(f"{norm}.centered",),
    )
    yield gradient_step(
        f"{norm}.x",
        "tc",
        f"dx[t,c] = dcentered[t,c] + dmean[t] / {width}",
        "4.15",
        "The gradient of the norm's input x: each number was used in its own distance from the mean, and was one of "
        f"the {width} numbers in the mean.",
        lambda t, c: dcentered[t, c] + dmean[t] / Constant(width),
        undoes=(f"{norm}.centered", f"{norm}.mean"),
    )
