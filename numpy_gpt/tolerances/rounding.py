"""The model of floating-point arithmetic: fl(x op y) = (x op y)(1 + δ), |δ| ≤ u (Higham 2002, equation 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Float64 = NDArray[np.float64]

ELEMENTARY = 8
"""c: exp, log, tanh and erf are assumed to be accurate to 4 ulp, at most 8 u; test_formulas.py checks that."""


class Rounding(NamedTuple):
    """What a dtype does to a result: ``unit`` is u; ``underflow`` is lost if a result is too small.

    Underflow is counted as the smallest *normal* number, so that hardware which flushes subnormals to zero is
    covered. It never matters at ordinary magnitudes.
    """

    unit: float
    underflow: float

    def gamma(self, count: float | Float64) -> Any:
        """Return γ_k = k·u/(1 − k·u), a bound for k roundings in a row (Higham 2002, lemma 3.1); 0 for k ≤ 0."""
        product = np.maximum(count, 0) * self.unit
        return product / (1 - product)


BFLOAT16 = Rounding(2.0**-8, 2.0**-126)


def rounding(dtype: DTypeLike) -> Rounding:
    """Return the Rounding of float64 (u = 2⁻⁵³), float32 (2⁻²⁴), float16 (2⁻¹¹) or "bfloat16" (2⁻⁸)."""
    if isinstance(dtype, str) and dtype == "bfloat16":  # NumPy does not know it
        return BFLOAT16
    info = np.finfo(np.dtype(dtype))
    return Rounding(float(info.eps) / 2, float(info.tiny))


@dataclass(frozen=True, eq=False)
class Bounded:
    """An array in float64 and how far one implementation's may be from it, entry by entry."""

    value: Float64
    error: Float64
    rounding: Rounding

    @property
    def magnitude(self) -> Float64:
        """The largest absolute value that an implementation may have: rounding errors scale with that."""
        return np.abs(self.value) + self.error

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape


def exact(array: ArrayLike, dtype: DTypeLike | None = None) -> Bounded:
    """Return an input that both sides share exactly; ``dtype`` is what they compute in, by default the array's."""
    array = np.asarray(array)
    value = array.astype(np.float64)
    return Bounded(value, np.zeros_like(value), rounding(array.dtype if dtype is None else dtype))


def stored(array: ArrayLike, dtype: DTypeLike) -> Bounded:
    """Return an array of which one side has a copy in ``dtype``: what it computes with may be off by a rounding."""
    model = rounding(dtype)
    value = np.asarray(array, np.float64)
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    return Bounded(value, model.unit * size + np.where(size > 0, model.underflow, 0.0), model)


def bounded(value: Float64, error: Any, like: Bounded) -> Bounded:
    """Return a result in ``like``'s dtype; the error may be a scalar or broadcast."""
    return Bounded(value, np.broadcast_to(np.asarray(error, np.float64), value.shape), like.rounding)


def shaped(x: Bounded, rearrange: Callable[[Any], Any]) -> Bounded:
    """Rearrange entries (reshape, transpose, pick rows): exact, and errors move along."""
    return Bounded(rearrange(x.value), rearrange(x.error), x.rounding)


def between_two(bound: Bounded) -> Float64:
    """Return how far two correct implementations may be apart: each errs in its own direction, so twice the bound."""
    return 2 * bound.error
