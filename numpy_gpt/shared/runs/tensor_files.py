"""Files of named tensors in safetensors format; files with wrong shapes or non-finite numbers are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np

from gpt_data.errors import UserError
from gpt_data.files.json_values import AtLeast
from gpt_data.files.regular_file import read_regular
from gpt_data.wording import quote, show_path
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.names import Shape

_HEADER_BYTES = 1000  # more than one tensor's entry in the header of a safetensors file


class FileRecord(TypedDict):
    """What a manifest says about a file."""

    bytes: Annotated[int, AtLeast(1)]
    sha256: str


def tensor_bytes(arrays: Mapping[str, Array], metadata: dict[str, str] | None = None) -> bytes:
    """Return the contents of a safetensors file with these tensors; ``metadata`` is for other programs."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)


def read_verified(path: Path, expected: FileRecord, largest: int) -> bytes:
    """Return the content of a file of at most ``largest`` bytes that a manifest describes.

    Raises
    ------
    UserError
        If the file is missing, too large, or not the one that the manifest describes.
    """
    content = read_regular(path, min(expected["bytes"], largest))
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise UserError(f"{show_path(path)} is damaged: its checksum is wrong; use another checkpoint")
    return content


def read_tensors(path: Path, expected: FileRecord, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Return the tensors of a file by name, in the order of ``shapes``; a file that is too large is not read.

    Raises
    ------
    UserError
        If the file is missing, damaged or not safetensors, or a tensor is missing or unknown, has the wrong shape, is
        neither float32 nor float64, or contains a non-finite number.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    place = show_path(path)
    largest = sum(8 * prod(shape) + _HEADER_BYTES for shape in shapes.values()) + _HEADER_BYTES
    content = read_verified(path, expected, largest)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{place} is not a safetensors file: {quote(str(error), 200)}") from error
    if set(tensors) != set(shapes):
        odd = min(set(tensors) ^ set(shapes))
        raise UserError(f"{place}: tensor {quote(odd)} is {'unknown' if odd in tensors else 'missing'} for its config")
    for name, shape in shapes.items():
        if tensors[name].shape != shape or tensors[name].dtype not in (np.float32, np.float64):
            raise UserError(
                f"{place}: {name} must be float32 or float64 of shape {shape}, "
                f"not {tensors[name].dtype} {tensors[name].shape}"
            )
    if bad := first_not_finite(tensors):
        raise UserError(f"{place}: {bad} contains numbers that are not finite; use another checkpoint")
    return {name: tensors[name] for name in shapes}
