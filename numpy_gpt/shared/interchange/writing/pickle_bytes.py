"""Pickles of plain values, written instruction by instruction: always the same bytes, and without importing torch.

Python's own pickler writes a reference where an object occurs twice, so its bytes depend on which objects are the same
one; and it can name only what it can import, such as torch's classes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pickle import encode_long
from typing import Any, NoReturn

_PROTOCOL = b"\x80\x02"  # 2, which is what torch writes
_STOP = b"."
_MARK, _TUPLE, _EMPTY_DICT, _SETITEMS = b"(", b"t", b"}", b"u"
_GLOBAL, _REDUCE, _PERSISTENT = b"c", b"R", b"Q"
_CONSTANTS = {None: b"N", True: b"\x88", False: b"\x89"}
_BATCH = 1000  # entries of a dict that are set together, as Python's pickler does

Encode = Callable[[Any], bytes]


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"a {type(value).__name__} is not a plain value")


def pickle_bytes(value: Any, encode_other: Encode = _refuse) -> bytes:
    """Return the pickle of dicts, tuples, strings, numbers, booleans and None.

    ``encode_other`` returns the instructions for a value of any other type.
    """
    return _PROTOCOL + encode(value, encode_other) + _STOP


def encode(value: Any, encode_other: Encode = _refuse) -> bytes:
    """Return the instructions that build a value."""
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, int):
        return _encode_int(value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(value, tuple):
        return encode_tuple(*(encode(item, encode_other) for item in value))
    if isinstance(value, Mapping):
        return _encode_dict(value, encode_other)
    return encode_other(value)


def encode_tuple(*items: bytes) -> bytes:
    """Return the instructions that build a tuple, from those of its items."""
    return _MARK + b"".join(items) + _TUPLE


def encode_global(module: str, name: str) -> bytes:
    """Return the instruction that imports a function or class."""
    return _GLOBAL + f"{module}\n{name}\n".encode()


def encode_call(module: str, name: str, arguments: bytes) -> bytes:
    """Return the instructions that call a function, from those of the tuple of its arguments."""
    return encode_global(module, name) + arguments + _REDUCE


def encode_persistent(identity: bytes) -> bytes:
    """Return the instructions for an object outside the pickle, from those of what identifies it."""
    return identity + _PERSISTENT


def _encode_int(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    content = encode_long(value)
    return b"\x8a" + bytes([len(content)]) + content


def _encode_dict(value: Mapping[Any, Any], encode_other: Encode) -> bytes:
    items = [encode(key, encode_other) + encode(item, encode_other) for key, item in value.items()]
    batches = (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
    return _EMPTY_DICT + b"".join(_MARK + b"".join(batch) + _SETITEMS for batch in batches)
