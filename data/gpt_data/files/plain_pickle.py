"""Read a pickle of dicts, lists, strings and numbers without running code.

A pickle is a program: it may import and call anything, and even without calls it can build values that take forever to
hash or exhaust memory. So every instruction is checked before the first is executed, and only the instructions that
plain values need are allowed.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, NoReturn

_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"})
_PLAIN = _NUMBERS | {
    *("PROTO", "FRAME", "STOP"),
    *("MARK", "DICT", "EMPTY_DICT", "SETITEM", "SETITEMS", "LIST", "EMPTY_LIST", "APPEND", "APPENDS"),
    *("NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
}


class NotPlainError(ValueError):
    """The pickle is damaged, or does more than build plain values; the message says what."""


class _Unpickler(pickle.Unpickler):
    """The second line of defence: even an instruction that passed the check cannot import anything."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise NotPlainError(f"it asks for {module}.{name}"[:100])

    def persistent_load(self, pid: Any) -> NoReturn:
        raise NotPlainError("it asks for an object stored elsewhere")


def load_plain(content: bytes, largest: int) -> object:
    """Return the value of the pickle: dicts, lists, strings, None, booleans, floats, and numbers from 0 to ``largest``.

    There are no tuples, because those can be keys that take forever to hash.

    Raises
    ------
    NotPlainError
        If it is damaged, has data after its end, or has an instruction that these values do not need.
    """
    try:
        _check(content, largest)
        return _Unpickler(io.BytesIO(content)).load()
    except NotPlainError:
        raise
    except Exception as error:  # a damaged pickle can raise a dozen kinds of exception
        raise NotPlainError(str(error).splitlines()[0][:100] if str(error) else type(error).__name__) from error


def _check(content: bytes, largest: int) -> None:
    end = 0
    for instruction, argument, position in pickletools.genops(content):
        end = (position or 0) + 1
        if instruction.name not in _PLAIN:
            raise NotPlainError(f"it has the instruction {instruction.name} at byte {position}")
        # The unpickler allocates as many slots as the argument of a PUT requires, even if they are never used.
        if "PUT" in instruction.name:
            _check_number(argument, len(content))
        elif instruction.name in _NUMBERS:
            _check_number(argument, largest)
    if end != len(content):
        raise NotPlainError(f"it ends at byte {end}, of {len(content)} bytes")


def _check_number(argument: object, largest: int) -> None:
    if not isinstance(argument, int) or not 0 <= argument <= largest:
        raise NotPlainError(f"its numbers must lie in 0 … {largest}")
