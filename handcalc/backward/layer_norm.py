"""Layer norm undone one activation at a time, where numpy_gpt uses the fused formula (4.10).

(4.11) is the gradient of the factor, (4.12) of the variance, (4.13) of the distances from the mean, (4.14) of the mean,
and (4.15) of the vector that went in.
"""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, total
from handcalc.backward.gradient import HALF, MINUS_ONE, TWO, gradient, gradient_step
from handcalc.forward.affine import affine_weights
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


def layer_norm_gradient_steps(norm: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from the norm's ``weight`` down to ``dx`` (T, C), that of the vector that went in."""
    yield from _parameter_steps(norm, config, sizes)
    yield from _scale_steps(norm, sizes)
    yield from _center_steps(norm, sizes)


def _parameter_steps(norm: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    out, dout, normalized = f"{norm}.out", gradient(f"{norm}.out"), Cells(f"{norm}.normalized")
    weight, positions = Cells(f"{norm}.weight"), range(sizes.t)
    yield gradient_step(
        f"{norm}.weight",
        "c",
        "dweight[c] = Σ_t dout[t,c]·normalized[t,c]",
        "4.7",
        "Each channel's weight gets the number that it scaled, times the gradient of the result, summed over all "
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
            "The bias was added at every position, so it gets the gradients of all of them.",
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


def _scale_steps(norm: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the one factor of each position, and of the variance that it was made of."""
    centered, rstd = Cells(f"{norm}.centered"), Cells(f"{norm}.rstd")
    dnormalized, drstd = gradient(f"{norm}.normalized"), gradient(f"{norm}.rstd")
    yield gradient_step(
        f"{norm}.rstd",
        "t",
        "drstd[t] = Σ_c dnormalized[t,c]·centered[t,c]",
        "4.11",
        "All channels of a position were multiplied by this one factor, so it hears from all of them.",
        lambda t: total(dnormalized[t, c] * centered[t, c] for c in range(sizes.c)),
        undoes=(f"{norm}.normalized",),
    )
    yield gradient_step(
        f"{norm}.variance",
        "t",
        "dvariance[t] = -0.5·rstd[t]·rstd[t]·rstd[t]·drstd[t]",
        "4.12",
        "The factor is the variance to the power of -1/2, whose slope is -1/2 times the power of -3/2: a larger "
        "variance makes the factor smaller.",
        lambda t: Constant(-HALF.value) * rstd[t] * rstd[t] * rstd[t] * drstd[t],
        undoes=(f"{norm}.rstd",),
    )


def _center_steps(norm: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the distances from the mean, of the mean, and of the vector itself."""
    centered, rstd, width, channels = Cells(f"{norm}.centered"), Cells(f"{norm}.rstd"), sizes.c, range(sizes.c)
    dnormalized, dvariance = gradient(f"{norm}.normalized"), gradient(f"{norm}.variance")
    dcentered, dmean = gradient(f"{norm}.centered"), gradient(f"{norm}.mean")
    yield gradient_step(
        f"{norm}.centered",
        "tc",
        f"dcentered[t,c] = dnormalized[t,c]·rstd[t] + 2·centered[t,c]·dvariance[t] / {width}",
        "4.13",
        "Each distance from the mean was used twice: scaled, and squared in the variance. Both parts add up.",
        lambda t, c: dnormalized[t, c] * rstd[t] + TWO * centered[t, c] * dvariance[t] / Constant(width),
        undoes=(f"{norm}.normalized", f"{norm}.variance"),
    )
    yield gradient_step(
        f"{norm}.mean",
        "t",
        "dmean[t] = -Σ_c dcentered[t,c]",
        "4.14",
        "The mean was taken off every channel: a higher mean lowers them all.",
        lambda t: MINUS_ONE * total(dcentered[t, c] for c in channels),
        undoes=(f"{norm}.centered",),
    )
    yield gradient_step(
        f"{norm}.x",
        "tc",
        f"dx[t,c] = dcentered[t,c] + dmean[t] / {width}",
        "4.15",
        "What comes out of the norm, backwards, for the vector x that went in: each number was used for its own "
        f"distance, and was one of the {width} that the mean was made of.",
        lambda t, c: dcentered[t, c] + dmean[t] / Constant(width),
        undoes=(f"{norm}.centered", f"{norm}.mean"),
    )
