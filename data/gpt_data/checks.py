"""Checks of arguments: whole numbers in range, paths, and arrays of token ids in the vocabulary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.wording import describe

TokenIds = npt.NDArray[np.integer[Any]]
_SLICE = 1 << 20  # ids checked at a time, so that memory does not grow with the text


def whole_number(name: str, value: object, least: int, remedy: str = "") -> int:
    """Return the value as an int; ``remedy`` is appended to the error message after a semicolon.

    Raises
    ------
    UserError
        If it is not a whole number of at least ``least``; True and 2.0 are not whole numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        what_to_do = f"; {remedy}" if remedy else ""
        raise UserError(f"{name} must be a whole number of at least {least}, not {describe(value)}{what_to_do}")
    return int(value)


def to_path(path: str | os.PathLike[str]) -> Path:
    """Return the path; an empty one, which would mean the current directory, is surely a mistake.

    Raises
    ------
    UserError
        If it is not a path, is empty, or contains a NUL, which no file system allows.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(text := os.fspath(path), str):
        raise UserError(f"a path must be a string or a Path, not {describe(path)}")
    if not text or "\0" in text:
        raise UserError(f"a path must not be empty or contain NUL, and is {describe(text)}; the current directory is .")
    return Path(path)


def token_sequence(ids: npt.ArrayLike, what: str = "ids") -> TokenIds:
    """Return the ids as a plain one-dimensional integer array, without a copy if they already are.

    Raises
    ------
    UserError
        If the number of axes is not one or the entries are not integers.
    """
    try:
        array = np.asarray(ids)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{what} must be one row of integers, not nested lists of unequal length") from error
    if array.ndim != 1:
        raise UserError(f"{what} must be one row of integers (one axis), not an array of shape {array.shape}")
    if array.size == 0:  # np.asarray([]) is float64, but it means no tokens
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{what} must be integers, not {array.dtype}; convert them first")
    return array


def ids_in_vocabulary(ids: npt.ArrayLike, vocab_size: int, what: str = "ids") -> TokenIds:
    """Return the ids as ``token_sequence`` does, after checking that each lies in 0 … V − 1.

    Raises
    ------
    UserError
        If an id is outside: a negative id must never count from the end of the vocabulary.
    """
    array = token_sequence(ids, what)
    index = first_outside(array, vocab_size)
    if index is not None:
        raise UserError(
            f"{outside_message(what, vocab_size, int(array[index]), index)}; was it made with another vocabulary?"
        )
    return array


def first_outside(ids: TokenIds, vocab_size: int) -> int | None:
    """Return the index of the first id outside 0 … V − 1, or None if there is none."""
    for start in range(0, ids.size, _SLICE):
        part = ids[start : start + _SLICE]
        if part.min() < 0 or part.max() >= vocab_size:
            return start + int(np.flatnonzero((part < 0) | (part >= vocab_size))[0])
    return None


def outside_message(what: str, vocab_size: int, found: int, index: int) -> str:
    """Return the message about an id outside the vocabulary, without the remedy."""
    return (
        f"{what} must lie in 0 … {vocab_size - 1} (the vocabulary has {vocab_size} tokens); "
        f"got id {found} at index {index}"
    )
