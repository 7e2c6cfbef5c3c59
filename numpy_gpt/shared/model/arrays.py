"""The array types used in signatures, and a check for non-finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Floating-point numbers, float32 or float64 as the parameters are; nothing is cast silently."""

Tokens: TypeAlias = NDArray[np.integer[Any]]
"""Token ids."""


def first_not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Return the name of the first array that contains NaN or an infinity, or None."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
