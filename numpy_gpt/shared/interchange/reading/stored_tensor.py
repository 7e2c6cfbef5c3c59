"""A tensor inside a file: its shape and kind of number are known, its numbers are read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpt_data.errors import UserError
from gpt_data.files.regular_file import open_regular
from gpt_data.wording import show_path
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.names import Shape

Bytes = NDArray[np.uint8]
"""The bytes of a file, memory-mapped and read-only: nothing is copied before it is needed."""

NUMBERS = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",  # NumPy does not have it: these are its 16 bits
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "u1",
}
"""The kinds of number that tensors may have, and how NumPy reads them."""


class StoredTensor(NamedTuple):
    """A tensor of a file; ``view`` returns its numbers as they are there, one of ``NUMBERS``, or raises UserError."""

    kind: str
    shape: Shape
    view: Callable[[], NDArray[Any]]

    @property
    def is_float(self) -> bool:
        """Whether its numbers are of a floating-point kind."""
        return "float" in self.kind

    def floats(self) -> Array:
        """Return a copy in float32, or in float64 if it is float64; a bfloat16 is the upper half of a float32.

        Raises
        ------
        UserError
            If its numbers are not where the file says.
        """
        return to_floats(self.kind, self.view())


def to_floats(kind: str, numbers: NDArray[Any]) -> Array:
    """Return a copy of numbers of this kind in float32, or in float64 if they are float64."""
    if kind == "bfloat16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float64 if kind == "float64" else np.float32, order="C")


def map_file(path: Path) -> Bytes:
    """Return the bytes of a regular file.

    Raises
    ------
    UserError
        If it cannot be read, is not a regular file, or is empty.
    """
    with open_regular(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise UserError(f"{show_path(path)} is empty; is it the right file?")
        try:
            return np.memmap(file, np.uint8, "r")  # type: ignore[no-any-return, call-overload, unused-ignore]
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {show_path(path)}: {error}") from error


def numbers_at(data: Bytes, kind: str, start: int, shape: Shape) -> NDArray[Any]:
    """Return the numbers of a tensor, stored row by row from byte ``start``, which must all be in ``data``."""
    dtype = np.dtype(NUMBERS[kind])
    return data[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
