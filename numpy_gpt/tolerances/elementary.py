"""Operations of one or two arguments, entry by entry, that the layers' own formulas do not contain.

They are needed where a value follows from some of a layer's intermediate results, and for the optimizer. The chains are
bounded operation by operation, so a layer's own formula is sharper wherever it applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpy_gpt.tolerances.rounding import ELEMENTARY, Bounded, Float64, bounded

_LARGEST_EXPONENT = 50.0  # as in softmax: what grows by more is known to no digit


def subtract(a: Bounded, b: Bounded) -> Bounded:
    """Return a − b: one rounding, u·|a − b| (Higham 2002, equation 2.4)."""
    out = a.value - b.value
    propagated = a.error + b.error
    return bounded(out, propagated + a.rounding.unit * (np.abs(out) + propagated), a)


def divide(a: Bounded, b: Bounded) -> Bounded:
    """Return a/b: one rounding. With |b| ≥ e_b it moves by (e_a + |a/b|·e_b)/(|b| − e_b); below, nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = a.value / b.value
        room = np.abs(b.value) - b.error
        propagated = np.where(room > 0, (a.error + np.abs(out) * b.error) / np.where(room > 0, room, 1.0), np.inf)
        error = propagated + a.rounding.unit * (np.abs(out) + propagated) + a.rounding.underflow
    return bounded(out, np.where(a.error + b.error + np.abs(a.value) == 0, 0.0, error), a)


def shift(x: Bounded, constant: float) -> Bounded:
    """Return x + constant: two roundings, the sum's and the constant's."""
    out = x.value + constant
    return bounded(out, x.error + x.rounding.unit * (np.abs(out) + x.error + abs(constant)), x)


def root(x: Bounded) -> Bounded:
    """Return √x for x ≥ 0: one rounding, and √(x + e) − √(x − e) is at most e/√x, and at most √e to either side."""
    out = np.sqrt(np.maximum(x.value, 0.0))
    moved = np.minimum(x.error / np.where(out > 0, out, 1.0), np.sqrt(x.error))
    moved = np.where(out > 0, moved, np.sqrt(x.error))
    return bounded(out, moved + x.rounding.unit * (out + moved), x)


def exponential(x: Bounded) -> Bounded:
    """Return exp(x): c roundings, and an error e of x is a relative one of expm1(e)."""
    out = np.exp(x.value)
    grown = np.expm1(np.minimum(x.error + ELEMENTARY * x.rounding.unit, _LARGEST_EXPONENT))
    return bounded(out, out * grown + np.where(np.isfinite(x.value), x.rounding.underflow, 0.0), x)


def row_mean(x: Bounded) -> Bounded:
    """Return the mean over the last axis, which is kept with length 1: γ_{n+1}·mean|x|."""
    local = x.rounding.gamma(x.shape[-1] + 1) * x.magnitude.mean(-1, keepdims=True)
    return bounded(x.value.mean(-1, keepdims=True), x.error.mean(-1, keepdims=True) + local + x.rounding.underflow, x)


def norm(parts: Sequence[Bounded]) -> Bounded:
    """Return the root of the sum of all squares: N terms in any order, and the root's own rounding.

    N is the number of a whole model's parameters, for which γ_N is far too large: rounding errors of a sum of positive
    numbers grow as √N (Higham & Mary 2019), and 8√N·u is allowed where that is less.
    """
    like = parts[0]
    square = sum(float((part.value**2).sum()) for part in parts)
    moved = sum(float((2 * np.abs(part.value) * part.error + part.error**2).sum()) for part in parts)
    count = sum(part.value.size for part in parts) + 1
    local = min(float(like.rounding.gamma(min(count, 0.5 / like.rounding.unit))), 8 * count**0.5 * like.rounding.unit)
    summed = bounded(np.asarray(square), (square + moved) * local + moved, like)
    return root(summed)


def smooth(function: Callable[..., Float64], *inputs: Bounded, roundings: int = 8) -> Bounded:
    """Return a smooth function of arrays: its change when every input moves by its error, and some roundings.

    It is for what no formula covers, and not a proof: the mistakes that ports make.
    """
    like = inputs[0]
    with np.errstate(all="ignore"):
        out = np.asarray(function(*(each.value for each in inputs)), np.float64)
        error: Any = roundings * like.rounding.unit * row_size(out) + like.rounding.underflow
        for place, each in enumerate(inputs):
            if each.error.any():
                sides = []
                for sign in (1, -1):
                    moved = [other.value + (sign * other.error if place == k else 0) for k, other in enumerate(inputs)]
                    sides.append(np.abs(function(*moved) - out))
                error = error + np.nan_to_num(np.maximum(*sides))
    return bounded(out, np.nan_to_num(error), like)


def loosened(value: Bounded, like: Bounded) -> Bounded:
    """Return a value with the error of the same sum, if that is larger: a port may have added it up twice."""
    return bounded(value.value, np.maximum(value.error, like.error), value)


def row_size(out: Float64) -> Float64:
    """Return the largest size in each row, where finite: terms that cancel in one entry show in its neighbours."""
    size = np.where(np.isfinite(out), np.abs(out), 0.0)
    return size.max(-1, keepdims=True, initial=0.0) if size.ndim else size
