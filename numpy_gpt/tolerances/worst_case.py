"""The worst-case operations in one namespace, for ``statement``: worst_case.linear, worst_case.softmax and so on."""

import numpy as np

from numpy_gpt.tolerances.activation import activation, activation_backward
from numpy_gpt.tolerances.layer_norm import layer_norm, layer_norm_backward
from numpy_gpt.tolerances.linear import add, concatenate, linear, matmul, mean, multiply, scale, scatter_rows, total
from numpy_gpt.tolerances.rms_norm import rms_norm, rms_norm_backward
from numpy_gpt.tolerances.rounding import Bounded, bounded, exact, shaped
from numpy_gpt.tolerances.softmax import cross_entropy, cross_entropy_backward, recomputed, softmax, softmax_backward

__all__ = [
    "activation",
    "activation_backward",
    "add",
    "causal",
    "concatenate",
    "cross_entropy",
    "cross_entropy_backward",
    "exact",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "matmul",
    "mean",
    "multiply",
    "recomputed",
    "rms_norm",
    "rms_norm_backward",
    "scale",
    "scatter_rows",
    "shaped",
    "softmax",
    "softmax_backward",
    "total",
]


def causal(scores: Bounded) -> Bounded:
    """Return scores (…, T, S) with −inf where s > t: exact, on both sides the same."""
    future = np.logical_not(np.tri(*scores.shape[-2:], dtype=np.bool_))
    return bounded(np.where(future, -np.inf, scores.value), np.where(future, 0.0, scores.error), scores)
