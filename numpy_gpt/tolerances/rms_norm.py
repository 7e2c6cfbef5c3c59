"""RMSNorm and its backward pass (formula 9; sums of squares do not cancel: Higham 2002, section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.tolerances.rounding import Bounded, bounded


class RMSNorm(NamedTuple):
    """Every array of RMSNorm, by the names that it records; ``normalized`` is recorded as ``out``."""

    mean_square: Bounded
    rrms: Bounded
    normalized: Bounded


def rms_norm(x: Bounded, epsilon: float) -> RMSNorm:
    """Return y = x/√(mean(x²) + ε) over the last axis and what it is computed from.

    Formula 9. All terms of the mean are positive, so it is off by γ_{n+2}·mean(x²): a square, n − 1 additions, and a
    product with a rounded 1/n. Hence ρ = ½γ_{n+2}·mean(x²)/(mean(x²) + ε) + 3u for the relative error of r, and
    Δy = |y|(ρ + u). An input error e moves the mean by at most mean(2|x|e + e²).
    """
    unit, gamma, n = x.rounding.unit, x.rounding.gamma, x.shape[-1]
    mean_square = (x.value**2).mean(-1, keepdims=True)
    rrms = 1 / np.sqrt(mean_square + epsilon)
    normalized = x.value * rrms

    moved = (2 * np.abs(x.value) * x.error + x.error**2).mean(-1, keepdims=True)
    square_error = moved + gamma(n + 2) * (mean_square + moved) + x.rounding.underflow
    # As in layer norm: near a quotient of 1 nothing is known about r any more.
    quotient = np.minimum(square_error / (mean_square + epsilon), 1 - 1e-12)
    relative = np.expm1(-0.5 * np.log1p(-quotient)) + 3 * unit
    error = rrms * x.error * (1 + relative) * (1 + unit) + np.abs(normalized) * (relative + unit) + x.rounding.underflow
    largest = 2 * np.sqrt(n) * (1 + relative)  # |y| ≤ √n whatever x is
    return RMSNorm(
        bounded(mean_square, square_error, x),
        bounded(rrms, rrms * relative, x),
        bounded(normalized, np.minimum(error, largest), x),
    )


def rms_norm_backward(dy: Bounded, normalized: Bounded, rrms: Bounded) -> Bounded:
    """Return dx = r·(dy − y·mean(dy·y)).

    Formula 9: r[2u|dy| + γ_{n+8}|y|mean|dy·y|] + 2u|dx|. The bound covers autograd and fused kernels, which compute the
    two terms apart, r·dy and r³·x·mean(dy·x), with up to six more roundings. Input errors of dy, y and r move each
    factor in turn.
    """
    unit, gamma, n = dy.rounding.unit, dy.rounding.gamma, dy.shape[-1]
    y, r = normalized, rrms
    along_y = (dy.value * y.value).mean(-1, keepdims=True)
    bracket = dy.value - y.value * along_y
    out = r.value * bracket

    moved_along_y = (dy.error * np.abs(y.value) + dy.magnitude * y.error).mean(-1, keepdims=True)
    moved = dy.error + y.error * np.abs(along_y) + y.magnitude * moved_along_y
    products = (dy.magnitude * y.magnitude).mean(-1, keepdims=True)
    local = 2 * unit * dy.magnitude + gamma(n + 8) * y.magnitude * products + dy.rounding.underflow
    largest_r = r.value + r.error
    error = largest_r * (moved + local) + r.error * np.abs(bracket) + 2 * unit * (np.abs(out) + largest_r * moved)
    return bounded(out, error, dy)
