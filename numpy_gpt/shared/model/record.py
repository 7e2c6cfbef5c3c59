"""Listening to a computation: every layer hands its named activations and gradients to a ``record`` function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Record = Callable[[str, Any], None]
"""Called as ``record(name, array)`` the moment the array is computed.

The layer goes on to use the array and may overwrite it: whoever wants to keep it makes a copy.
"""


def ignore(name: str, array: Any) -> None:
    """Record nothing, the default everywhere: nothing is kept that backward does not need."""


def scoped(record: Record, prefix: str) -> Record:
    """Return a record that puts ``prefix.`` before each name, as a layer does for the layers inside it."""
    if record is ignore:
        return ignore
    return lambda name, array: record(f"{prefix}.{name}", array)


def unflattened(record: Record, *leading: int) -> Record:
    """Return a record that gives what has one row per position, (N) or (N, W), its leading axes again: (…) or (…, W).

    Arrays of more dimensions are passed on as they are.
    """
    if record is ignore:
        return ignore

    def restore(name: str, array: Any) -> None:
        record(name, array.reshape(leading + array.shape[1:]) if array.ndim in (1, 2) else array)

    return restore


def keep_in(store: dict[str, Any]) -> Record:
    """Return a record that keeps a copy of every array in ``store``, in order of computation."""

    def record(name: str, array: Any) -> None:
        store[name] = array.copy()

    return record
