"""Files in safetensors format with any kind of number: eight bytes, the length of a JSON header, and the tensors.

The safetensors library for NumPy does not read bfloat16, and checkpoints of our own contain nothing but float32 and
float64, so this reader is for the models of other programs only.
"""

from __future__ import annotations

import json
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe, one_line, quote, show_path
from numpy_gpt.shared.interchange.reading.stored_tensor import NUMBERS, Bytes, StoredTensor, map_file, numbers_at

_LARGEST_HEADER = 1 << 24  # bytes; a model of 10,000 tensors needs a million
_KINDS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"},
}


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a file by name.

    Raises
    ------
    UserError
        If it cannot be read, or its header is damaged or does not fit its size.
    """
    data = map_file(path)
    try:
        length = int.from_bytes(data[:8].tobytes(), "little")
        if data.size < 8 or not 2 <= length <= min(data.size - 8, _LARGEST_HEADER):
            raise ValueError(f"its header claims {length:,} bytes of {data.size:,}")
        header = json.loads(data[8 : 8 + length].tobytes().decode("utf-8"), object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        body = data[8 + length :]
        return {name: _tensor(body, name, entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, RecursionError) as error:
        reason = one_line(str(error), 200)
        raise UserError(f"{show_path(path)} is not a safetensors file: {reason}; is it complete?") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"its header has {quote(next(name for name in values if names.count(name) > 1))} twice")
    return values


def _tensor(body: Bytes, name: str, entry: Any) -> StoredTensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(
            f"the entry of {quote(name)} must have dtype, shape and data_offsets, and is {describe(entry)}"
        )
    kind, shape, offsets = _KINDS.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    if kind is None:
        raise ValueError(f"{quote(name)} has numbers of the kind {describe(entry['dtype'])}, which is not supported")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"the shape or the offsets of {quote(name)} are impossible")
    start, end = offsets
    if end > body.size or end - start != prod(shape) * np.dtype(NUMBERS[kind]).itemsize:
        raise ValueError(f"the offsets of {quote(name)} do not fit its shape or the file")
    return StoredTensor(kind, tuple(shape), partial(numbers_at, body, kind, start, tuple(shape)))


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= 8 and all(type(v) is int and 0 <= v < 1 << 60 for v in values)
