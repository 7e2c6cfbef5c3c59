"""Checks of a single argument: numbers, flags, functions and mappings; no input is cast or clipped.

Public functions check their arguments by these and the other ``…_checks``, once; what they call trusts them.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from numbers import Real
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe


def check_number(name: str, value: Any) -> float:
    """Return a real number as a float; True is not a number, nor is an array of one.

    Raises
    ------
    UserError
        If it is not a real number, or is too large for a float.
    """
    if isinstance(value, float):  # also NumPy's float64; the general question takes ten times as long
        return float(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise UserError(f"{name} must be a number, not {describe(value)}")
    try:
        return float(value)
    except OverflowError:
        raise UserError(f"{name} must be a number that a float can hold, not {describe(value)}") from None


def check_max_norm(max_norm: Any) -> None:
    """Check the norm that gradients are clipped to; 0 and inf mean no clipping.

    Raises
    ------
    UserError
        If it is not a number of at least 0; NaN is not.
    """
    if not check_number("max_norm", max_norm) >= 0:
        raise UserError(f"max_norm must be at least 0, not {max_norm}; 0 does not clip")


def check_flags(**flags: Any) -> None:
    """Check that each of the named arguments is True or False.

    Raises
    ------
    UserError
        If one is anything else.
    """
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise UserError(f"{name} must be True or False, not {describe(value)}")


def check_callable(name: str, value: Any, remedy: str) -> None:
    """Check an argument that must be a function.

    Raises
    ------
    UserError
        If it cannot be called.
    """
    if not callable(value):
        raise UserError(f"{name} must be a function, not {describe(value)}; {remedy}")


def check_record(record: Any) -> None:
    """Check that ``record`` is a function; a dictionary becomes one by ``keep_in``.

    Raises
    ------
    UserError
        If it cannot be called.
    """
    check_callable("record", record, "keep_in(dictionary) makes one that keeps every array")


def check_mapping(name: str, value: Any, kind: type = Mapping) -> None:
    """Check an argument that must be a dictionary or another mapping by name.

    Raises
    ------
    UserError
        If it is something else.
    """
    if not isinstance(value, kind):
        what = "a dictionary" if kind is MutableMapping else "a mapping of names to arrays"
        raise UserError(f"{name} must be {what}, not {describe(value)}")
