r"""The file that golden.h writes: ``GOLDEN1\n``, then for each array a line ``name dtype d0,d1,…`` and its numbers."""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import list_names, quote, show_path
from numpy_gpt.shared.interchange.reading.stored_tensor import NUMBERS, Bytes, StoredTensor, map_file, numbers_at
from numpy_gpt.shared.model.names import Shape

MAGIC = b"GOLDEN1\n"
KINDS = {
    **{"f32": "float32", "f64": "float64", "bf16": "bfloat16", "f16": "float16"},
    **{"i32": "int32", "i64": "int64"},
}
"""The dtypes of golden.h, and the kinds of number that they are."""
_LONGEST_LINE = 1000  # bytes


def read_golden_file(path: Path) -> dict[str, StoredTensor]:
    """Return the arrays of a file that golden.h wrote, by name.

    Raises
    ------
    UserError
        If it cannot be read, is truncated or damaged, or has an array twice.
    """
    data, place = map_file(path), len(MAGIC)
    tensors: dict[str, StoredTensor] = {}
    while place < data.size:
        try:
            name, kind, shape, start = _read_line(data, place)
        except ValueError as error:
            raise UserError(f"{show_path(path)} is damaged after {_count(tensors)}: {error}") from error
        place = start + prod(shape) * np.dtype(NUMBERS[kind]).itemsize
        if place > data.size:
            raise UserError(
                f"{show_path(path)} is truncated: it ends {place - data.size:,} bytes before the end of {quote(name)}; "
                "did the port call golden_close?"
            )
        if name in tensors:
            raise UserError(f"{show_path(path)} has {quote(name)} twice; call golden_step(2) before the second step")
        tensors[name] = StoredTensor(kind, shape, partial(numbers_at, data, kind, start, shape))
    return tensors


def _read_line(data: Bytes, place: int) -> tuple[str, str, Shape, int]:
    line, newline, _ = data[place : place + _LONGEST_LINE].tobytes().partition(b"\n")
    fields = line.decode("utf-8", "replace").split(" ")
    if not newline or len(fields) != 3:
        raise ValueError(f"at byte {place:,} there should be a line of name, dtype and dims; is it complete?")
    name, dtype, dims = fields
    if dtype not in KINDS:
        raise ValueError(f"the dtype of {quote(name)} is {quote(dtype)}, and must be one of {list_names(KINDS)}")
    sizes = [] if dims == "-" else dims.split(",")
    if len(sizes) > 8 or not all(size.isascii() and size.isdigit() and len(size) < 16 for size in sizes):
        raise ValueError(f"the dims of {quote(name)} are {quote(dims)}; they must be whole numbers, or -")
    return name, KINDS[dtype], tuple(map(int, sizes)), place + len(line) + 1


def _count(tensors: dict[str, StoredTensor]) -> str:
    return f"the array {quote(list(tensors)[-1])}" if tensors else "its beginning"
