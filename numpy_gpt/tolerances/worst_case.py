"""The worst-case operations in one namespace: worst_case.linear, worst_case.softmax and so on."""

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.tolerances.activation import activation, activation_backward
from numpy_gpt.tolerances.elementary import divide, exponential, loosened, norm, root, row_mean, shift, smooth, subtract
from numpy_gpt.tolerances.layer_norm import layer_norm, layer_norm_backward
from numpy_gpt.tolerances.linear import add, concatenate, linear, matmul, mean, multiply, scale, scatter_rows, total
from numpy_gpt.tolerances.rms_norm import rms_norm, rms_norm_backward
from numpy_gpt.tolerances.rounding import Bounded, bounded, exact, shaped, stored
from numpy_gpt.tolerances.softmax import cross_entropy, cross_entropy_backward, recomputed, softmax, softmax_backward

__all__ = [
    "activation",
    "activation_backward",
    "add",
    "causal",
    "concatenate",
    "cross_entropy",
    "cross_entropy_backward",
    "divide",
    "exact",
    "exponential",
    "hide",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "loosened",
    "matmul",
    "mean",
    "multiply",
    "norm",
    "recomputed",
    "rms_norm",
    "rms_norm_backward",
    "root",
    "row_mean",
    "scale",
    "scatter_rows",
    "shaped",
    "shift",
    "smooth",
    "softmax",
    "softmax_backward",
    "stored",
    "subtract",
    "total",
]


def causal(scores: Bounded) -> Bounded:
    """Return scores (…, T, S) with −inf where s > t: exact, on both sides the same."""
    return hide(scores, np.tri(*scores.shape[-2:], dtype=np.bool_))


def hide(scores: Bounded, allowed: NDArray[np.bool_], instead: float = -np.inf) -> Bounded:
    """Return the scores where they are allowed, and one number elsewhere."""
    constant = scores.rounding.unit * abs(instead) if np.isfinite(instead) else 0.0
    return bounded(np.where(allowed, scores.value, instead), np.where(allowed, scores.error, constant), scores)
