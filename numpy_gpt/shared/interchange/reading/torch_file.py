"""Files of ``torch.save``, read without torch and without executing anything: the zip format and the one before it.

A zip archive contains NAME/data.pkl, a pickle in which each tensor is a call of ``torch._utils._rebuild_tensor_v2``
with its storage, offset, shape and strides; the storages are NAME/data/0, NAME/data/1 …, uncompressed.
Before torch 1.6, a file was a sequence of pickles (a magic number, a version, the byte order, the object, the keys of
the storages), and then for each key the count of its numbers and the numbers.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpt_data.errors import UserError
from gpt_data.files.regular_file import open_regular
from gpt_data.wording import describe, one_line, show_path
from numpy_gpt.shared.interchange.reading.pickle_reader import LARGEST, Allowed, Name, PickleError, read_pickle
from numpy_gpt.shared.interchange.reading.stored_tensor import NUMBERS, Bytes, StoredTensor, map_file

_ZIP = b"PK\x03\x04"
_LEGACY = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
_NAMES = frozenset(_STORAGES) | {f"torch.{kind}" for kind in NUMBERS}  # the latter are values, as in a config
_MOST_AXES = 8
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of an entry of a zip archive: the lengths of its name and its extra field
_ENCRYPTED = 1


class _Storage(NamedTuple):
    """The numbers that tensors are views of."""

    kind: str
    key: str
    length: int


_Find = Callable[[_Storage], Bytes]
"""Returns the bytes of a storage, or raises PickleError."""


def is_torch_file(start: bytes) -> bool:
    """Return whether a file that starts with these bytes (32 or more) was written by ``torch.save``."""
    return start.startswith(_ZIP) or (start.startswith(b"\x80") and _LEGACY.to_bytes(10, "little") in start[:32])


def read_torch_file(path: Path) -> Any:
    """Return the saved object: dicts, lists, tuples, text and numbers, and each tensor as a ``StoredTensor``.

    Raises
    ------
    UserError
        If it cannot be read, is damaged, or its pickle asks for anything but tensors and plain values.
    """
    data = map_file(path)
    try:
        if data[:4].tobytes() == _ZIP:
            return _read_zip(path, data)
        return _read_legacy(path, data)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


# NotImplementedError and RuntimeError are what zipfile raises for a compression or an encryption that it does not know.
_DAMAGE = (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, OSError)


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = one_line(str(error), 200)
    return UserError(f"{show_path(path)} cannot be read as a file of torch.save: {reason}; is it complete?")


def _read_zip(path: Path, data: Bytes) -> Any:
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        count = len(archive.infolist())
    if len(entries) < count or sum(entry.file_size for entry in entries.values()) > data.size:
        raise PickleError("two of its entries have one name, or they are larger than the file")
    root = next((name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")), None)
    if root is None:
        raise PickleError("it has no data.pkl")
    found: dict[str, Bytes] = {}

    def find(name: str) -> Bytes:
        if name not in found:
            found[name] = _entry_bytes(data, entries.get(f"{root}{name}"), name)
        return found[name]

    if f"{root}byteorder" in entries and find("byteorder").tobytes() != b"little":
        raise PickleError("its numbers are not in little-endian byte order")
    content = find("data.pkl")
    return _read_object(path, _stream(content), lambda storage: find(f"data/{storage.key}"))


def _entry_bytes(data: Bytes, entry: zipfile.ZipInfo | None, name: str) -> Bytes:
    """Return the bytes of an entry, which torch never compresses, after checking its checksum."""
    if entry is None:
        raise PickleError(f"its entry {describe(name)} is missing")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
        raise PickleError(f"its entry {describe(name)} is compressed or encrypted, which torch never does")
    header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size].tobytes()
    start_bytes, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    content = data[start : start + entry.file_size]
    if start_bytes != _ZIP or content.size != entry.file_size or zlib.crc32(content.data) != entry.CRC:
        raise PickleError(f"its entry {describe(name)} is damaged")
    return content


def _read_legacy(path: Path, data: Bytes) -> Any:
    stream = _stream(data)
    plain = Allowed({}, frozenset(), _refuse_load)
    magic, version, system = (read_pickle(stream, plain) for _ in range(3))
    if (
        (magic, version) != (_LEGACY, _LEGACY_VERSION)
        or not isinstance(system, dict)
        or system.get("little_endian") is not True
    ):
        raise PickleError("it has another version of the format, or is not in little-endian byte order")
    storages: dict[str, _Storage] = {}
    places: dict[str, Bytes] = {}

    def find(storage: _Storage) -> Bytes:
        return places[storage.key]

    saved = _read_object(path, stream, find, storages)
    keys = read_pickle(stream, plain)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise PickleError("its list of storages does not fit its tensors")
    start = stream.tell()
    for key in keys:
        length = int.from_bytes(data[start : start + 8].tobytes(), "little")
        end = start + 8 + length * np.dtype(NUMBERS[storages[key].kind]).itemsize
        if length != storages[key].length or end > data.size:
            raise PickleError(f"its storage {describe(key)} is not complete")
        places[key] = data[start + 8 : end]
        start = end
    return saved


def _stream(content: Bytes) -> io.BytesIO:
    return io.BytesIO(content[: LARGEST + 1].tobytes())


def _read_object(path: Path, stream: io.BytesIO, find: _Find, storages: dict[str, _Storage] | None = None) -> Any:
    known: dict[str, _Storage] = {} if storages is None else storages

    def load(identifier: Any) -> _Storage:
        storage = _storage_of(identifier)
        if known.setdefault(storage.key, storage) != storage:
            raise PickleError(f"it describes the storage {describe(storage.key)} in two ways")
        return storage

    def make_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        return _tensor(path, find, storage, offset, shape, strides)

    functions: dict[str, Callable[..., Any]] = {
        "collections.OrderedDict": _ordered_dict,
        "torch._utils._rebuild_tensor": make_tensor,
        "torch._utils._rebuild_tensor_v2": make_tensor,
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch.Size": lambda sizes: sizes,
    }
    return read_pickle(stream, Allowed(functions, _NAMES, load))


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    if pairs:  # old versions list the items here; nothing that is read needs it
        raise PickleError("it has an OrderedDict with arguments")
    return {}


def _refuse_load(_: Any) -> Any:
    raise PickleError("it asks for an object stored elsewhere")


def _storage_of(identifier: Any) -> _Storage:
    if isinstance(identifier, tuple) and len(identifier) in (5, 6) and identifier[0] == "storage":
        _, kind, key, _, length, *view = identifier
        known = isinstance(kind, Name) and kind.name in _STORAGES
        if known and isinstance(key, str) and _is_size(length) and view in ([], [None]):
            return _Storage(_STORAGES[kind.name], key, length)
    raise PickleError("it has a storage of an unknown kind")


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 60


def _tensor(path: Path, find: _Find, storage: Any, offset: Any, shape: Any, strides: Any) -> StoredTensor:
    """Return the tensor, after checking that every number of it lies in its storage; strides of 0 repeat numbers."""
    if not (isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise PickleError("it has a tensor that is not described as torch does")
    if len(shape) != len(strides) or len(shape) > _MOST_AXES or not all(map(_is_size, (offset, *shape, *strides))):
        raise PickleError("it has a tensor with an impossible shape")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.length:
        raise PickleError("it has a tensor that reaches beyond its storage")

    def view() -> NDArray[Any]:
        dtype = np.dtype(NUMBERS[storage.kind])
        try:
            content = find(storage)
            if content.size != storage.length * dtype.itemsize:
                raise PickleError(f"its storage {describe(storage.key)} has another size than its tensors")
        except PickleError as error:
            raise _unreadable(path, error) from error
        numbers = content.view(dtype)[offset:]
        steps = [stride * dtype.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(numbers, shape, steps, writeable=False)

    return StoredTensor(storage.kind, shape, view)
