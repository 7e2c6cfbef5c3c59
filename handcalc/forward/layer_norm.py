"""Layer norm: each position's vector is shifted to mean 0, scaled to variance 1, then scaled by learned weights."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, sqrt, total
from handcalc.arithmetic.number_format import format_number
from handcalc.forward.affine import affine_weights
from handcalc.tracing.steps import Sizes, Step
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
        meaning="The average of each position's vector.",
        cell=lambda t: total(source[t, c] for c in channels) / width,
    )
    yield Step(
        name=f"{norm}.centered",
        axes="tc",
        equation=f"centered[t,c] = {x}[t,c] - mean[t]",
        section="4.2",
        meaning="How far each number lies above or below that average.",
        cell=lambda t, c: source[t, c] - mean[t],
    )
    yield Step(
        name=f"{norm}.variance",
        axes="t",
        equation=f"variance[t] = Σ_c centered[t,c]·centered[t,c] / {sizes.c}",
        section="4.3",
        meaning="The average of the squared distances: how widely a position's numbers are spread.",
        cell=lambda t: total(centered[t, c] * centered[t, c] for c in channels) / width,
    )


def _scaling_steps(norm: str, config: GPTConfig) -> Iterator[Step]:
    centered, variance, rstd = Cells(f"{norm}.centered"), Cells(f"{norm}.variance"), Cells(f"{norm}.rstd")
    normalized, weight, bias = Cells(f"{norm}.normalized"), Cells(f"{norm}.weight"), Cells(f"{norm}.bias")
    epsilon = Constant(repr(config.layer_norm_epsilon))
    yield Step(
        name=f"{norm}.rstd",
        axes="t",
        equation=f"rstd[t] = 1 / √(variance[t] + ε),  ε = {format_number(epsilon.value)}",
        section="4.4",
        meaning="One over the standard deviation, the factor that makes the spread 1; ε keeps it from dividing by 0.",
        cell=lambda t: Constant(1) / sqrt(variance[t] + epsilon),
    )
    yield Step(
        name=f"{norm}.normalized",
        axes="tc",
        equation="normalized[t,c] = centered[t,c]·rstd[t]",
        section="4.5",
        meaning="Each position's vector, now with average 0 and variance 1.",
        cell=lambda t, c: centered[t, c] * rstd[t],
    )
    yield Step(
        name=f"{norm}.out",
        axes="tc",
        equation="out[t,c] = normalized[t,c]·weight[c]" + " + bias[c]" * config.bias,
        section="4.6",
        meaning="Each channel is scaled by a learned weight" + (", then shifted by a bias." if config.bias else "."),
        cell=(
            (lambda t, c: normalized[t, c] * weight[c] + bias[c])
            if config.bias
            else (lambda t, c: normalized[t, c] * weight[c])
        ),
        weights=affine_weights(norm, "c", bias=config.bias),
    )
