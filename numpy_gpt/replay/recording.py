"""Writing down a computation: arrays that note every call that is made with them.

A replay makes the same calls with the same arguments. So what it cannot repeat is refused here, not guessed: an array
whose origin is unknown, a number that is taken out of an array, a function that is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.calls import Memory
from numpy_gpt.replay.functions import FOLLOWED, HANDLERS, copied, copyto, dot, fill, take
from numpy_gpt.replay.noting import (
    NotedArray,
    NotRecorded,
    Recorder,
    computed,
    noted,
    noting_array,
    place_of,
    plain,
    recorder_of,
    with_typed_numbers,
    writable,
)
from numpy_gpt.replay.tape import Tape, require_answer

_METHODS = ("__call__", "reduce", "accumulate", "at")  # of a ufunc
_OUT_BY_NAME = {np.maximum, np.minimum}  # NumPy warns where these get it by position


class RecordingArray(NotedArray):
    """An array that notes what is computed with it; its numbers are those of the plain computation."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute a ufunc, and note it."""
        recorder = recorder_of((*inputs, *(options.get("out") or ())))
        if method not in _METHODS or ufunc.nout != 1:
            raise NotRecorded(f"np.{ufunc.__name__}.{method} cannot be replayed; use several simple functions")
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        (out,) = options.pop("out", None) or (None,)
        if method == "at":
            place, arguments = writable(inputs[0]), list(map(noted, inputs))
            function(*map(plain, inputs))
            recorder.note(function, arguments, out=place)
            return None
        typed = inputs if options.keys() & {"dtype", "sig", "signature"} else with_typed_numbers(ufunc, inputs)
        arguments = list(map(noted, typed))
        given = {name: noted(value) for name, value in options.items()}
        kept = {name: plain(value) for name, value in options.items()}
        result = computed(recorder, out, lambda out: function(*map(plain, inputs), **kept, out=out))
        place = place_of(result)
        if method == "__call__" and ufunc not in _OUT_BY_NAME:
            recorder.note(function, (*arguments, place), given, place)
        elif method != "__call__" and given.keys() <= {"axis", "dtype", "keepdims"}:  # by position: gain 0.83
            more = (given["keepdims"],) if given.get("keepdims") else ()
            recorder.note(function, (*arguments, given.get("axis", 0), given.get("dtype"), place, *more), out=place)
        else:
            recorder.note(function, arguments, {**given, "out": place}, place)
        return result

    def __array_function__(
        self, function: Any, types: Iterable[type], arguments: Iterable[Any], options: Mapping[str, Any]
    ) -> Any:
        """Compute a function of NumPy, and note it; one that only calls others is followed into them."""
        if function in FOLLOWED:
            return super().__array_function__(function, types, arguments, options)
        if (handler := HANDLERS.get(function)) is None:
            raise NotRecorded(_refusal(f"{function.__module__}.{function.__name__}", function.__name__))
        return handler(*arguments, **options)

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        view = self._part(parts)
        is_number = view.ndim == 0 and Ellipsis not in parts
        if not (is_number or self._is_number):
            return view
        if is_number and self._memory is not None and not self._memory.writable:
            view._is_number = True
            return view
        part = copied(view, plain(view).copy())  # a number, or a part of one, shares no memory with what may change
        part._is_number = is_number
        return part

    def _part(self, parts: tuple[Any, ...]) -> Any:
        for part in parts:
            simple = part is None or part is Ellipsis or isinstance(part, int | np.integer | slice)
            if not simple or isinstance(part, bool):
                raise NotRecorded("an index must be of numbers and slices; use np.take, or np.copyto with where=")
        return super().__getitem__(parts if Ellipsis in parts else (*parts, Ellipsis))  # a number stays an array

    def __setitem__(self, key: Any, value: Any) -> None:
        target = self._part(key if isinstance(key, tuple) else (key,))
        if isinstance(value, RecordingArray) and place_of(value) == place_of(target):
            return  # x[...] += y has already written to x
        copyto(target, value, "unsafe")

    def __bool__(self) -> bool:
        """Answer a question, which each replay asks again."""
        recorder = recorder_of((self,))
        if self.size != 1:
            raise NotRecorded("`if` needs one number, not several; use .any() or .all()")
        if recorder.changed:
            raise NotRecorded(
                "an `if` follows a change of the state, which could not be undone; put it before the change"
            )
        answer = bool(plain(self))
        recorder.note(require_answer, (place_of(self), answer))
        return answer

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """Return a view, or a copy where a view cannot have the shape."""
        result = super().reshape(*shape, **options)
        shared = result.size == 0 or np.may_share_memory(plain(result), plain(self))
        if shared and not self._is_number:
            return result
        if options not in ({}, {"order": "C"}):
            raise NotRecorded("a reshape that copies takes no options; use a transposition and copy()")
        return copied(self, np.ndarray.reshape(plain(self), *shape), lambda copy: copy.reshape(self.shape))

    def copy(self, order: Any = "C") -> Any:
        """Return a copy."""
        copy = copied(self, plain(self).copy(order))
        copy._is_number = self._is_number
        return copy

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: Any = True
    ) -> Any:
        """Return a copy with this dtype, or the array itself."""
        if np.dtype(dtype) == self.dtype and order == "K" and not copy:
            return self
        result = copied(self, plain(self).astype(dtype, order, casting), casting=casting)
        result._is_number = self._is_number
        return result

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        """Return each entry ``repeats`` times along an axis."""
        if not isinstance(repeats, int) or axis is None:
            raise NotRecorded("repeat must be given a whole number and an axis, not an array or no axis; name both")
        if self.ndim == 0:
            return self.reshape(1).repeat(repeats, axis)
        axis = axis % self.ndim
        shape = (*self.shape[: axis + 1], repeats, *self.shape[axis + 1 :])
        source = self[(slice(None),) * (axis + 1) + (None,)]
        return copied(source, plain(self).repeat(repeats, axis), lambda copy: copy.reshape(shape))

    def dot(self, other: Any, out: Any = None) -> Any:
        """Return the product of vectors or matrices."""
        return dot(self, other, out)

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
        """Return the entries at these indices."""
        return take(self, indices, axis, out, mode)

    def mean(self, *arguments: Any, **options: Any) -> Any:
        """Return the mean; NumPy takes that of float16 out of its array to round it."""
        if self.dtype == np.float16:
            raise NotRecorded("a mean of float16 cannot be replayed; use a sum, and divide it")
        return super().mean(*arguments, **options)

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        fill(self, value)

    def view(self, *arguments: Any, **options: Any) -> Any:
        """Return a view with another dtype."""
        if (
            options
            or len(arguments) > 1
            or (arguments and isinstance(arguments[0], type) and issubclass(arguments[0], np.ndarray))
        ):
            raise NotRecorded("a view as another class would not be noted; use the array itself")
        return super().view(*arguments)


_VIEWS = {"diagonal", "squeeze", "swapaxes", "transpose"}  # methods that return a view, or the array itself
_REDUCTIONS = {"all", "any", "clip", "max", "min", "sum"}  # methods that call ufuncs
_OURS = {"astype", "copy", "dot", "fill", "mean", "repeat", "reshape", "take", "view"}
_CHANGING = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()  # operators such as +=
_TAKEN_OUT = {
    *("__float__", "__int__", "__index__", "__complex__", "__str__", "__repr__", "__format__", "__round__"),
    *("item", "tolist", "tobytes", "tofile", "dump", "dumps"),
}
_CONVERSIONS = {
    *("__iter__", "__contains__", "__divmod__", "__rdivmod__", "__delitem__", "__array__", "__dlpack__"),
    *("__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__setstate__"),
}
_REMEDIES = {
    **dict.fromkeys(("__iter__", "__contains__"), "use slices, ufuncs or .any()"),
    **dict.fromkeys(("__copy__", "__deepcopy__", "copy"), "use x.copy()"),
    **dict.fromkeys(("flatten", "ravel"), "use x.reshape(-1)"),
    **dict.fromkeys(("stack", "vstack", "hstack"), "use np.concatenate"),
    **dict.fromkeys(("ones_like", "full"), "use np.full_like"),
    "broadcast_to": "use arithmetic, which broadcasts by itself",
    "cumsum": "use np.add.accumulate",
    "flat": "use x.reshape(-1)",
    "prod": "use np.multiply.reduce",
    "repeat": "use x.repeat",
}


def _refusal(what: str, name: str) -> str:
    if name in _TAKEN_OUT:
        return f"{what} takes a number out of an array, and a replay could not see it change; compute with the array"
    return f"{what} cannot be replayed; {_REMEDIES.get(name, 'use arithmetic or ufuncs')}"


def _refuse(name: str) -> Any:
    def refuse(self: Any, *arguments: Any, **options: Any) -> Any:
        raise NotRecorded(_refusal(f"{name} of an array", name))

    return _watched(refuse)


def _watched(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that tells the recorder what it raises: the function may catch it, and compute otherwise."""

    @wraps(method)
    def call(self: RecordingArray, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, *arguments, **options)
        except Exception as error:
            if self._recorder is not None:
                what = f"{type(error).__name__} ({error})"
                caught = f"{what} is caught, and a replay could not see whether it is raised; test its cause with `if`"
                self._recorder.failed = str(error) if isinstance(error, NotRecorded) else caught
            raise

    return call


def _change(name: str) -> Any:
    """Return the operator ``+=``, which makes a new number of a number."""
    in_place, new = getattr(np.ndarray, f"__i{name}__"), getattr(np.ndarray, f"__{name}__")

    def change(self: Any, other: Any) -> Any:
        return (new if self._is_number else in_place)(self, other)

    return change


def _close(cls: type) -> None:
    """Refuse every public method of an array, and every conversion, that is not known to be noted."""
    methods = {name for name in dir(np.ndarray) if not name.startswith("_") and callable(getattr(np.ndarray, name))}
    for name in (methods | _TAKEN_OUT | _CONVERSIONS) - (_VIEWS | _REDUCTIONS | _OURS):
        setattr(cls, name, _refuse(name))
    for name in ("flat", "real", "imag", "data", "ctypes"):
        setattr(cls, name, property(_refuse(name)))
    for name in _CHANGING:
        setattr(cls, f"__i{name}__", _change(name))
    for name in ("__array_ufunc__", "__array_function__", "__getitem__", "__setitem__", "__bool__", *_OURS):
        setattr(cls, name, _watched(getattr(cls, name)))


_close(RecordingArray)


def write_down(
    function: Callable[..., Sequence[Any]],
    inputs: Sequence[NDArray[Any]],
    shared: Sequence[NDArray[Any]] = (),
    state: Sequence[NDArray[Any]] = (),
) -> tuple[Tape, list[NDArray[Any]]]:
    """Call ``function(*inputs, *shared, *state)`` once; return the tape of its calls, and its results.

    Before each replay the tape's ``inputs`` are written; ``shared`` and ``state`` are read where they lie, which must
    be C-contiguous memory. Only ``state`` may be changed in place. The function returns a sequence of arrays that it
    computed.

    Raises
    ------
    NotRecorded
        If it does what cannot be replayed.
    """
    recorder = Recorder(RecordingArray)
    _check_memory(shared, state)
    given = [noting_array(recorder, array.copy("K"), Memory(array.nbytes, writable=False)) for array in inputs]
    fixed = [noting_array(recorder, array, Memory(array.nbytes, array, writable=False)) for array in shared]
    changing = [noting_array(recorder, array, Memory(array.nbytes, array)) for array in state]
    places = [place_of(array) for array in given]
    try:
        results = function(*given, *fixed, *changing)
        if recorder.failed is not None:
            raise NotRecorded(recorder.failed)
        kept = [place_of(result) for result in results]
        for place in kept:
            recorder.check(place)
        return Tape(recorder.calls, places, kept), [plain(result) for result in results]
    finally:
        recorder.open = False


def _check_memory(shared: Sequence[NDArray[Any]], state: Sequence[NDArray[Any]]) -> None:
    given = (*shared, *state)
    if not all(array.flags.c_contiguous for array in given):
        raise NotRecorded("shared arrays and state must be C-contiguous; pass the array that they are parts of")
    if any(np.may_share_memory(array, other) for array in state for other in given if other is not array):
        raise NotRecorded(
            "an array of the state shares memory with another array; pass the array that both are parts of"
        )
    if len({id(array) for array in state}) < len(state) or any(array is other for array in state for other in shared):
        raise NotRecorded("an array of the state is given twice; pass it once")
