"""Everything linear: products, sums, additions, embeddings (formula 1; Higham 2002, sections 3.1 and 4.2).

Where an input has an error e, a product x·y moves by e_x·|y| + (|x| + e_x)·e_y, exactly and not only to first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from numpy_gpt.tolerances.rounding import Bounded, bounded


def matmul(a: Bounded, b: Bounded) -> Bounded:
    """Return a b. Formula 1 without bias: γ_K·(|a||b|) for inner products of length K, in any order, FMA allowed."""
    length = a.shape[-1]
    propagated = a.error @ np.abs(b.value) + a.magnitude @ b.error
    local = a.rounding.gamma(length) * (a.magnitude @ b.magnitude)
    return bounded(a.value @ b.value, propagated + local + length * a.rounding.underflow, a)


def linear(x: Bounded, weight: Bounded, bias: Bounded | None) -> Bounded:
    """Return x w + b. Formula 1: γ_{K+1}·(|x||w| + |b|); one more rounding than the product, for the bias."""
    if bias is None:
        return matmul(x, weight)
    length = x.shape[-1]
    propagated = x.error @ np.abs(weight.value) + x.magnitude @ weight.error + bias.error
    local = x.rounding.gamma(length + 1) * (x.magnitude @ weight.magnitude + bias.magnitude)
    out = x.value @ weight.value + bias.value
    return bounded(out, propagated + local + length * x.rounding.underflow, x)


def total(x: Bounded, axis: int) -> Bounded:
    """Return the sum along an axis. Formula 1: γ_{n−1}·Σ|x| for n terms in any order (Higham 2002, equation 4.4)."""
    local = x.rounding.gamma(x.shape[axis] - 1) * x.magnitude.sum(axis)
    return bounded(x.value.sum(axis), x.error.sum(axis) + local, x)


def mean(x: Bounded) -> Bounded:
    """Return the mean of all entries: the sum, and two more roundings for · (1/n) with 1/n itself rounded."""
    count = prod(x.shape)
    local = x.rounding.gamma(count + 1) * x.magnitude.mean()
    return bounded(np.asarray(x.value.mean()), x.error.mean() + local, x)


def add(a: Bounded, b: Bounded) -> Bounded:
    """Return a + b: one rounding, u·|a + b| (Higham 2002, equation 2.4)."""
    out = a.value + b.value
    propagated = a.error + b.error
    return bounded(out, propagated + a.rounding.unit * (np.abs(out) + propagated), a)


def multiply(a: Bounded, b: Bounded) -> Bounded:
    """Return a·b, entry by entry: one rounding (Higham 2002, equation 2.4)."""
    out = a.value * b.value
    propagated = a.error * np.abs(b.value) + a.magnitude * b.error
    return bounded(out, propagated + a.rounding.unit * (np.abs(out) + propagated) + _lost(out, a), a)


def scale(x: Bounded, factor: float) -> Bounded:
    """Return x·factor: two roundings, the product's and the constant's."""
    out = x.value * factor
    propagated = x.error * abs(factor)
    return bounded(out, propagated + x.rounding.gamma(2) * (np.abs(out) + propagated) + _lost(out, x), x)


def concatenate(parts: Sequence[Bounded], axis: int) -> Bounded:
    """Concatenate the parts: exact."""
    value = np.concatenate([part.value for part in parts], axis)
    return bounded(value, np.concatenate([part.error for part in parts], axis), parts[0])


def scatter_rows(x: Bounded, index: np.ndarray, rows: int) -> Bounded:
    """Return the embedding's gradient: row v is the sum of x at the places where index is v.

    Formula 1 for sums: γ_{m−1}·Σ|x| for a token that occurs m times; exact for one that occurs once, or never.
    """
    value, error, magnitude = (np.zeros((rows, x.shape[-1])) for _ in range(3))
    for target, part in ((value, x.value), (error, x.error), (magnitude, x.magnitude)):
        np.add.at(target, index, part)
    count = np.bincount(index.ravel(), minlength=rows)[:, None].astype(np.float64)
    return bounded(value, error + x.rounding.gamma(count - 1) * magnitude, x)


def _lost(out: np.ndarray, like: Bounded) -> np.ndarray:
    # A product underflows only where it is tiny; with a factor of exactly 0 or a normal result nothing is lost.
    return np.where((out != 0) & (np.abs(out) < 2 * like.rounding.underflow), like.rounding.underflow, 0.0)
