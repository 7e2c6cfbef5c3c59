"""Recording a computation: every layer passes its named activations and gradients to a ``record`` function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np

from numpy_gpt.shared.model.argument_checks import check_mapping
from numpy_gpt.shared.model.arrays import Array, first_not_finite

Record = Callable[[str, Any], Any]
"""Called as ``record(name, array)`` the moment the array is computed; returns the array to continue with.

A user's function may return None instead, which changes nothing: ``recorder_of`` wraps it where it enters the library.
The layer may overwrite the array afterwards, and a later step may too: a recorder that keeps arrays must copy them, as
``keep_in`` does. No recorder may write to them.
"""


def ignore(name: str, array: Any) -> Any:
    """Record nothing: the default everywhere, so that only what backward needs is kept."""
    return array


def scoped(record: Record, prefix: str) -> Record:
    """Return a recorder that puts ``prefix.`` before each name, as a layer does for the layers inside it."""
    if record is ignore:
        return ignore
    return lambda name, array: record(f"{prefix}.{name}", array)


def unflattened(record: Record, *leading: int) -> Record:
    """Return a recorder that restores the leading axes of arrays with one row per position: (N) → (…), (N, W) → (…, W).

    Arrays of more dimensions are passed on unchanged.
    """
    if record is ignore:
        return ignore

    def restore(name: str, array: Any) -> Any:
        if array.ndim not in (1, 2):
            return record(name, array)
        return record(name, array.reshape(leading + array.shape[1:])).reshape(array.shape)

    return restore


def keep_in(store: dict[str, Any]) -> Record:
    """Return a recorder that keeps a copy of every array in ``store``, in order of computation.

    Raises
    ------
    UserError
        If ``store`` is not a dictionary.
    """
    check_mapping("store", store, MutableMapping)

    def record(name: str, array: Any) -> Any:
        store[name] = array.copy()
        return array

    return record


class FirstNotFinite:
    """A recorder that remembers the first array that is not finite.

    Masked scores are −inf by design; among them only NaN and +inf count.
    """

    def __init__(self, parameters: Mapping[str, Array]) -> None:
        bad = first_not_finite(parameters)
        self.name = None if bad is None else f"the parameter {bad}"

    def record(self, name: str, array: Any) -> None:
        """Check the array, unless an earlier one was already bad."""
        if self.name is None:
            values = np.asarray(array)
            good = ~np.isnan(values) & (values != np.inf) if name.endswith(".masked") else np.isfinite(values)
            self.name = None if good.all() else name

    def name_among(self, gradients: Mapping[str, Array]) -> str | None:
        """Return the name; if every recorded array was finite, look among the parameters' gradients too."""
        bad = first_not_finite(gradients) if self.name is None else None
        return self.name if bad is None else f"the gradient of {bad}"
