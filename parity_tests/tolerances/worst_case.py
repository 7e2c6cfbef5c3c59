"""The worst-case operations in one namespace, for ``statement``: worst_case.linear, worst_case.softmax and so on."""

import numpy as np

from parity_tests.tolerances.activation import activation, activation_backward
from parity_tests.tolerances.layer_norm import layer_norm, layer_norm_backward
from parity_tests.tolerances.linear import add, concatenate, linear, matmul, mean, multiply, scale, scatter_rows, total
from parity_tests.tolerances.rounding import Bounded, bounded, exact, shaped
from parity_tests.tolerances.softmax import cross_entropy, cross_entropy_backward, recomputed, softmax, softmax_backward

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
    "scale",
    "scatter_rows",
    "shaped",
    "softmax",
    "softmax_backward",
    "total",
]


def causal(scores: Bounded) -> Bounded:
    """Return scores (…, T, S) with −inf where s > t: exact, on both sides the same."""
    future = ~np.tri(*scores.shape[-2:], dtype=bool)
    return bounded(np.where(future, -np.inf, scores.value), np.where(future, 0.0, scores.error), scores)
