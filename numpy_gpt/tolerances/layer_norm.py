"""Layer norm, two-pass, and its backward pass (formulas 4 and 5; the variance: Higham 2002, section 1.9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.tolerances.rounding import Bounded, bounded


class LayerNorm(NamedTuple):
    """Every array of layer norm up to the normalized one, by the names that it records."""

    mean: Bounded
    centered: Bounded
    variance: Bounded
    rstd: Bounded
    normalized: Bounded


def layer_norm(x: Bounded, epsilon: float, *, kernel: bool = False) -> LayerNorm:
    """Return the normalized x̂ = (x − μ)/√(σ² + ε) over the last axis and what it is computed from.

    Formula 4. The computed mean is off by ε_μ = γ_{n+1}·mean|x|, the centered values by that plus u|x − μ|; the
    squares' sum Σ(x − μ)² moves only by n·ε_μ², because Σ(x − μ) = 0 kills the first order. Hence
    ρ = ½[(γ_{n+4} + 2u)σ² + ε_μ²]/(σ² + ε) + 3u for the relative error of r, and
    Δx̂ = r(ε_μ + u|x − μ|) + |x̂|(ρ + 2u). A mean that divides would have γ_n and γ_{n+3}; multiplying by a rounded 1/n
    is one more rounding. An input error e moves the centered values by at most e + mean(e), and σ² by mean(2|x − μ|e +
    e²): no mean(e), for the same reason. A fused ``kernel`` takes x̂ = r·x − r·μ, two large terms where x is far from
    zero: 3u·r(|x| + |μ|) more.
    """
    unit, gamma, n = x.rounding.unit, x.rounding.gamma, x.shape[-1]
    mu = x.value.mean(-1, keepdims=True)
    centered = x.value - mu
    variance = (centered**2).mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(variance + epsilon)
    normalized = centered * rstd

    mean_rounding = gamma(n + 1) * x.magnitude.mean(-1, keepdims=True) + x.rounding.underflow
    mean_error = mean_rounding + x.error.mean(-1, keepdims=True)
    centered_error = (x.error + mean_error) * (1 + unit) + unit * np.abs(centered)
    moved = (2 * np.abs(centered) * x.error + x.error**2).mean(-1, keepdims=True)
    spread = variance + moved
    variance_error = moved + (gamma(n + 4) + 2 * unit) * spread + mean_rounding**2 + x.rounding.underflow
    # 1/√(1 − q) − 1 bounds the relative change of r to both sides; near q = 1 nothing is known about r any more.
    quotient = np.minimum(variance_error / (variance + epsilon), 1 - 1e-12)
    relative = np.expm1(-0.5 * np.log1p(-quotient)) + 3 * unit
    error = rstd * centered_error * (1 + relative) + np.abs(normalized) * (relative + 2 * unit) + x.rounding.underflow
    if kernel:
        error = error + 3 * unit * rstd * (1 + relative) * (x.magnitude + np.abs(mu) + mean_error)
    largest = 2 * np.sqrt(n) * (1 + relative)  # |x̂| ≤ √n whatever x is
    return LayerNorm(
        bounded(mu, mean_error, x),
        bounded(centered, centered_error, x),
        bounded(variance, variance_error, x),
        bounded(rstd, rstd * relative, x),
        bounded(normalized, np.minimum(error, largest), x),
    )


def layer_norm_backward(g: Bounded, normalized: Bounded, rstd: Bounded, x: Bounded | None = None) -> Bounded:
    """Return dx = r·(g − mean(g) − x̂·mean(g·x̂)) for g = dy·weight.

    Formula 5: r[3u|g| + γ_{n+4}mean|g| + |x̂|γ_{n+5}mean|g·x̂|] + 2u|dx|: the two means are sums of n terms, and the
    differences cancel, so that errors scale with the terms and not with dx. Input errors of g, x̂ and r move each
    factor in turn.

    With ``x``, the bound covers a fused kernel, which computes dx = r·g + b·x − (b·μ + r·mean(g)) with b = (μ·mean(g) −
    mean(g·x))·r²·r (torch's layer_norm_kernel.cpp). Against the above, r·mean(g·x̂) is the difference of two sums, off
    by γ_{n+5}·r²(mean|g·x| + |μ|mean|g|), and the product with x̂ that of two terms, 3u·r²|mean(g·x̂)|(|x| + |μ|).
    """
    unit, gamma, n = g.rounding.unit, g.rounding.gamma, g.shape[-1]
    hat, r = normalized, rstd
    along_constant = g.value.mean(-1, keepdims=True)
    along_hat = (g.value * hat.value).mean(-1, keepdims=True)
    bracket = g.value - along_constant - hat.value * along_hat
    out = r.value * bracket

    moved_along_hat = (g.error * np.abs(hat.value) + g.magnitude * hat.error).mean(-1, keepdims=True)
    moved = g.error + g.error.mean(-1, keepdims=True) + hat.error * np.abs(along_hat) + hat.magnitude * moved_along_hat
    products = (g.magnitude * hat.magnitude).mean(-1, keepdims=True)
    local = (
        3 * unit * g.magnitude
        + gamma(n + 4) * g.magnitude.mean(-1, keepdims=True)
        + hat.magnitude * gamma(n + 5) * products
        + g.rounding.underflow
    )
    if x is not None:
        mu = np.abs(x.value).mean(-1, keepdims=True)
        sums = (g.magnitude * x.magnitude).mean(-1, keepdims=True) + mu * g.magnitude.mean(-1, keepdims=True)
        split = r.value * (np.abs(along_hat) + moved_along_hat) * (x.magnitude + mu)
        local = local + gamma(n + 5) * hat.magnitude * r.value * sums + 3 * unit * split
    largest_r = r.value + r.error
    error = largest_r * (moved + local) + r.error * np.abs(bracket) + 2 * unit * (np.abs(out) + largest_r * moved)
    return bounded(out, error, g)
