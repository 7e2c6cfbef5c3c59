"""Clipping by global norm: a single bad batch cannot move the weights far (Pascanu et al. 2013)."""

from __future__ import annotations

import math

import numpy as np

from numpy_gpt.parameters import Parameters, in_chunks
from numpy_gpt.shared.model.argument_checks import check_max_norm

_ON_ONE_THREAD = 1 << 13  # numbers; for a longer product OpenBLAS wakes its other threads, which then spin


def global_norm(gradients: Parameters) -> float:
    """Return ‖g‖₂ over all parameters together (13.1), summed in float64 so that no square overflows early."""
    total = 0.0
    for (part,) in in_chunks(gradients.flat, part=_ON_ONE_THREAD):
        values = part.astype(np.float64, copy=False)
        total += float(values.dot(values))
    return math.sqrt(total)


def clip_gradients(gradients: Parameters, max_norm: float) -> float:
    """Scale the gradients in place so that their global norm is at most ``max_norm``; return the original norm (13.2).

    The scale is min(1, max_norm / (norm + 1e-6)), as in torch. ``max_norm`` 0 means no clipping.

    Raises
    ------
    UserError
        If ``max_norm`` is not a number of at least 0.
    """
    check_max_norm(max_norm)
    norm = global_norm(gradients)
    if (scale := clipping_scale(norm, max_norm)) != 1:
        gradients.flat *= scale
    return norm


def clipping_scale(norm: float, max_norm: float) -> float:
    """Return the factor of ``clip_gradients``, at most 1; NaN if the norm is, so that every gradient becomes NaN."""
    if max_norm > 0 and not (scale := max_norm / (norm + 1e-6)) >= 1:
        return scale
    return 1.0
