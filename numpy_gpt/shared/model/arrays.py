"""The array types used in signatures, and a check for non-finite numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Floating-point numbers, float32 or float64 as the parameters are; nothing is cast silently."""

Tokens: TypeAlias = NDArray[np.integer[Any]]
"""Token ids."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Number = TypeVar("_Number", bound=np.generic)


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """Return the array itself, which nobody may write to any more: a constant that all callers share."""
    array.flags.writeable = False
    return array


def ieee(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return the function computed in plain IEEE arithmetic, whatever ``numpy.seterr`` says.

    An overflow is inf and 0/0 is NaN, in the result, without a warning or an exception: as in torch, which has no such
    settings. An underflow is harmless: softmax has one for every unlikely token.
    """

    @wraps(function)
    def compute(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        # A new errstate for each call: one that is shared would restore the settings of another thread.
        with np.errstate(all="ignore"):
            return function(*arguments, **options)

    return compute


def first_not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Return the name of the first array that contains NaN or an infinity, or None."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
