"""The formats in which a port may write its arrays: .safetensors, .npz, a folder of .npy, and golden.h's own."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.files.regular_file import open_regular, read_bytes
from gpt_data.wording import one_line, quote, show_path
from numpy_gpt.golden.theirs.golden_file import MAGIC, read_golden_file
from numpy_gpt.shared.interchange.reading.safetensors_file import read_safetensors
from numpy_gpt.shared.interchange.reading.stored_tensor import StoredTensor, to_floats

FORMATS = "a .safetensors or .npz file, a folder of .npy files, or a file that golden.h wrote"
_ZIP = b"PK\x03\x04", b"PK\x05\x06"  # the second is an archive without files
_UNREADABLE = (ValueError, EOFError, KeyError, TypeError, SyntaxError, zipfile.BadZipFile, zlib.error)
_UNSUPPORTED = (NotImplementedError, RuntimeError)  # compressed in an unusual way, or encrypted


class Numbers(NamedTuple):
    """An array in this machine's byte order, and the dtype that its file has: bfloat16 has become float32."""

    array: Any
    dtype: str


Reader = Callable[[], Numbers]


def readers_at(place: Path) -> dict[str, Reader]:
    """Return a function for each array at a place, by its name there, that reads it.

    The functions raise UserError too: an array may be damaged.

    Raises
    ------
    UserError
        If there is nothing of these formats, or it cannot be read.
    """
    if os.path.isdir(place):  # noqa: PTH112 - never raises
        return _npy_readers(place)
    with open_regular(place) as file:
        start = read_bytes(file, place, len(MAGIC))
    if start == MAGIC:
        return _stored_readers(read_golden_file(place))
    if start.startswith(_ZIP):
        return _npz_readers(place)
    if place.suffix == ".npy":
        return {place.stem: partial(_read_npy, place)}
    if place.suffix != ".safetensors":
        raise UserError(f"{show_path(place)} must be {FORMATS}")
    return _stored_readers(read_safetensors(place))


def _stored_readers(tensors: dict[str, StoredTensor]) -> dict[str, Reader]:
    def read(tensor: StoredTensor) -> Numbers:
        numbers = tensor.view()
        array = to_floats(tensor.kind, numbers) if tensor.kind == "bfloat16" else _native(numbers)
        return Numbers(array, tensor.kind)

    return {name: partial(read, tensor) for name, tensor in tensors.items()}


def _npy_readers(directory: Path) -> dict[str, Reader]:
    paths = sorted(path for path in directory.iterdir() if path.suffix == ".npy")
    if not paths:
        raise UserError(f"{show_path(directory)} has no .npy files; give {FORMATS}")
    return {path.name.removesuffix(".npy"): partial(_read_npy, path) for path in paths}


def _read_npy(path: Path) -> Numbers:
    with open_regular(path) as file:
        return _numbers_in(file, show_path(path))


def _npz_readers(path: Path) -> dict[str, Reader]:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.namelist()
    except _UNREADABLE as error:
        raise _unreadable(show_path(path), error) from error
    names = [name for name in members if name.endswith(".npy")]
    if members and not names:  # a torch file, for one, is an archive too
        raise UserError(f"{show_path(path)} has no arrays of NumPy; give {FORMATS}")
    return {name.removesuffix(".npy"): partial(_read_npz, path, name) for name in names}


def _read_npz(path: Path, name: str) -> Numbers:
    what = f"{quote(name)} in {show_path(path)}"
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive, archive.open(name) as member:
            return _numbers_in(member, what)
    except (*_UNREADABLE, *_UNSUPPORTED) as error:
        raise _unreadable(what, error) from error


def _numbers_in(file: Any, what: str) -> Numbers:
    try:
        array = np.lib.format.read_array(_Sized(file), allow_pickle=False)
    except (*_UNREADABLE, MemoryError) as error:
        raise _unreadable(what, error) from error
    return Numbers(_native(array), array.dtype.name)


class _Sized:
    """A file without a number, so that NumPy reads what is there piece by piece, and not what the header claims."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read


def _native(array: Any) -> Any:
    """Return the array in this machine's byte order; a .npy file says which one it has."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _unreadable(what: str, error: BaseException) -> UserError:
    return UserError(f"{what} cannot be read: {one_line(str(error), 150) or type(error).__name__}; is it complete?")


def numbers_of(arrays: Mapping[str, Any]) -> dict[str, Reader]:
    """Return the same for arrays in memory, of NumPy or what NumPy can convert, such as tensors on the CPU."""
    return {name: partial(_converted, name, array) for name, array in arrays.items()}


def _converted(name: str, value: Any) -> Numbers:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{quote(name)} is not an array: {one_line(str(error), 150)}") from error
    return Numbers(_native(array), array.dtype.name)
