"""The files of ``torch.save``, written without torch: a zip archive of a pickle and of each tensor's numbers.

``torch.load`` reads them with ``weights_only=True``, its default, which allows nothing but tensors and plain values.
The same values always give the same bytes.
"""

from __future__ import annotations

import io
import struct
import zipfile
from math import prod
from typing import Any

from numpy_gpt.shared.interchange.writing.pickle_bytes import (
    encode,
    encode_call,
    encode_global,
    encode_persistent,
    encode_tuple,
    pickle_bytes,
)
from numpy_gpt.shared.model.arrays import Array

_STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage"}
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can have
_UNIX = 3
_ALIGNMENT = 64  # bytes, so that torch can map the numbers into memory
_LOCAL_HEADER = 30  # bytes of a record's header before its name
_PADDING = struct.Struct("<2sH")  # the header of the field that contains the padding


def torch_file(value: Any) -> bytes:
    """Return the content of a file with dicts, tuples, strings, numbers, booleans, None, and arrays as tensors.

    Arrays are float32 or float64. An array that occurs twice is stored once, and the two tensors share their numbers,
    as tied weights do.
    """
    storages = _Storages()
    pickled = pickle_bytes(value, storages.encode_tensor)
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            _write_record(archive, file, "data.pkl", pickled)
            _write_record(archive, file, "byteorder", b"little")
            for key, array in enumerate(storages.arrays):
                content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
                _write_record(archive, file, f"data/{key}", content)
            _write_record(archive, file, "version", b"3\n")
        return file.getvalue()


class _Storages:
    """The arrays that were encoded; the number of one is the name of its record."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []

    def encode_tensor(self, array: Any) -> bytes:
        """Return the instructions for a contiguous tensor on the CPU that needs no gradient."""
        key = next((key for key, known in enumerate(self.arrays) if known is array), len(self.arrays))
        if key == len(self.arrays):
            self.arrays.append(array)
        storage = encode_tuple(
            encode("storage"),
            encode_global("torch", _STORAGES[array.dtype.name]),
            *map(encode, (str(key), "cpu", array.size)),
        )
        strides = tuple(prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
        hooks = encode_call("collections", "OrderedDict", encode(()))
        rest = map(encode, (0, array.shape, strides, False))
        return encode_call("torch._utils", "_rebuild_tensor_v2", encode_tuple(encode_persistent(storage), *rest, hooks))


def _write_record(archive: zipfile.ZipFile, file: io.BytesIO, name: str, content: bytes) -> None:
    record = zipfile.ZipInfo(f"archive/{name}", _DATE)
    record.create_system = _UNIX  # otherwise it says on which system Python runs
    start = file.tell() + _LOCAL_HEADER + len(record.filename) + _PADDING.size
    padding = -start % _ALIGNMENT
    record.extra = _PADDING.pack(b"FB", padding) + bytes(padding)
    archive.writestr(record, content)
