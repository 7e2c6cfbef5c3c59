"""What arguments must be: whole numbers in range, arrays of token ids in the vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError

TokenIds = npt.NDArray[np.integer[Any]]
_SLICE = 1 << 20  # ids looked at a time, so that the search takes no memory of the text's size


def whole_number(name: str, value: object, least: int, remedy: str = "") -> int:
    """Return the value as an int; ``remedy`` ends the message of the error, after a semicolon.

    Raises
    ------
    UserError
        If it is not a whole number of at least ``least``; True and 2.0 are not.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        what_to_do = f"; {remedy}" if remedy else ""
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r:.60}{what_to_do}")
    return int(value)


def token_sequence(ids: npt.ArrayLike, what: str = "ids") -> TokenIds:
    """Return the ids as a plain one-dimensional integer array, without a copy where they are one already.

    Raises
    ------
    UserError
        If they have another number of axes or are not integers.
    """
    try:
        array = np.asarray(ids)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{what} must be one row of integers; nested lists of unequal length came") from error
    if array.ndim != 1:
        raise UserError(f"{what} must be one row of integers (one axis); an array of shape {array.shape} came")
    if array.size == 0:  # np.asarray([]) is float64, yet no tokens is what it says
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{what} must be integers; dtype {array.dtype} came; convert them before")
    return array


def ids_in_vocabulary(ids: npt.ArrayLike, vocab_size: int, what: str = "ids") -> TokenIds:
    """Return the ids as ``token_sequence`` does, each of them known to lie in 0 … V − 1.

    Raises
    ------
    UserError
        If one does not: a negative id must never count from the end of the vocabulary.
    """
    array = token_sequence(ids, what)
    place = first_outside(array, vocab_size)
    if place is not None:
        raise UserError(
            f"{outside_message(what, vocab_size, int(array[place]), place)}; was it made with another vocabulary?"
        )
    return array


def first_outside(ids: TokenIds, vocab_size: int) -> int | None:
    """Return the index of the first id that does not lie in 0 … V − 1, or None where all do."""
    for start in range(0, ids.size, _SLICE):
        part = ids[start : start + _SLICE]
        if part.min() < 0 or part.max() >= vocab_size:
            return start + int(np.flatnonzero((part < 0) | (part >= vocab_size))[0])
    return None


def outside_message(what: str, vocab_size: int, found: int, place: int) -> str:
    """Return what an error about an id outside the vocabulary says before the remedy."""
    return (
        f"{what} must lie in 0 … {vocab_size - 1} (the vocabulary has {vocab_size} tokens); "
        f"id {found} came at index {place}"
    )
