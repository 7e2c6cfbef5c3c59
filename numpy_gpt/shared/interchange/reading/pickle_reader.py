"""The values in a pickle of torch.save, worked out by a small interpreter that can execute nothing.

A pickle is a program that may import and call anything. This interpreter knows only the instructions that state dicts
need, and of the functions that a pickle can ask for only those in a table that the caller gives. It does not use
Python's own unpickler at all.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gpt_data.wording import describe, quote

LARGEST = 1 << 21
"""Bytes of the largest pickle that is read; that of a model of 600 tensors with its optimizer has 300,000."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset("BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE".split())
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = frozenset({"PROTO", "FRAME"})


class PickleError(ValueError):
    """The pickle is damaged, or asks for something that is not allowed; the message says for what."""


class Name(NamedTuple):
    """Something that the pickle asks for by name, ``module.name``; it is never imported."""

    name: str


class Allowed(NamedTuple):
    """What a pickle may ask for: functions by ``module.name``, and further names that it may not call.

    Each function gets the pickle's arguments and must check them. ``load`` returns the object of a persistent id.
    """

    functions: Mapping[str, Callable[..., Any]]
    names: frozenset[str]
    load: Callable[[Any], Any]


def read_pickle(stream: io.BytesIO, allowed: Allowed) -> Any:
    """Return the value of the next pickle in the stream, which is left at its end.

    Raises
    ------
    PickleError
        If it is damaged, has another instruction, or asks for another name.
    """
    machine = _Machine(allowed)
    try:
        for instruction, argument, _ in pickletools.genops(stream):
            if instruction.name == "STOP":
                return machine.result()
            machine.execute(instruction.name, argument)
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise PickleError(f"it is damaged ({type(error).__name__}: {quote(str(error), 80)})") from error
    raise PickleError("it has no end")


class _Machine:
    """The stack and the memo of a pickle; ``_outer`` has the parts of the stack below each mark."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        value = self._stack.pop()
        if self._stack or self._outer:
            raise PickleError("it is damaged: something is left on its stack")
        return value

    def execute(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name.endswith("PUT"):
            self._memo[int(argument)] = self._stack[-1]
        elif name.endswith("GET"):
            self._stack.append(self._memo[int(argument)])
        elif name in _TUPLES:
            count = _TUPLES[name]
            self._stack[-count:] = [tuple(self._stack[-count:])]
        elif (method := _METHODS.get(name)) is not None:
            method(self, argument)
        elif name not in _NOTHING:
            raise PickleError(f"it has the instruction {name}, which no state dict needs")

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _mark(self, _: Any) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _items(self) -> list[Any]:
        """Return the items above the last mark, which are removed with it."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _tuple(self, _: Any) -> None:
        items = self._items()
        self._stack.append(tuple(items))

    def _append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._items())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise PickleError("it is damaged: an item of no list")
        target.extend(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def _set_items(self, _: Any) -> None:
        self._update(self._items())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleError("it is damaged: an entry of no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float):  # hashing a nested tuple can take forever
                raise PickleError(f"it has an entry whose name is neither text nor a number: {type(key).__name__}")
            if key in target:
                raise PickleError(f"it has two entries {describe(key)}")
            target[key] = value

    def _name(self, argument: str) -> None:
        self._ask(".".join(argument.split(" ", 1)))

    def _name_on_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise PickleError("it is damaged: a name that is not text")
        self._ask(f"{module}.{name}")

    def _ask(self, name: str) -> None:
        if name not in self._allowed.functions and name not in self._allowed.names:
            raise PickleError(f"it asks for {quote(name, 100)}, which no state dict needs; nothing was executed")
        self._stack.append(Name(name))

    def _call(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleError("it is damaged: a call of what is no function")
        if function.name not in self._allowed.functions:
            raise PickleError(f"it calls {function.name}, which no state dict needs; nothing was executed")
        self._stack.append(self._allowed.functions[function.name](*arguments))

    def _build(self, _: Any) -> None:
        self._stack.pop()  # attributes, such as the _metadata of a state dict: not needed
        if not isinstance(self._stack[-1], dict):
            raise PickleError("it gives attributes to what has none")

    def _load(self, _: Any) -> None:
        self._stack.append(self._allowed.load(self._stack.pop()))


_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
    "MEMOIZE": _Machine._memoize,
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "EMPTY_TUPLE": lambda machine, _: machine._stack.append(()),
    "EMPTY_LIST": lambda machine, _: machine._stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine._stack.append({}),
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "GLOBAL": _Machine._name,
    "STACK_GLOBAL": _Machine._name_on_stack,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._load,
}
