"""The functions of NumPy, other than ufuncs, that can be written down, and how each is called in a replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.calls import Place
from numpy_gpt.replay.noting import NUMBERS, NotRecorded, computed, made, noted, place_of, plain, recorder_of, writable
from numpy_gpt.shared.model.arrays import read_only


def copied(source: Any, result: NDArray[Any], seen_as: Any = lambda copy: copy, casting: Any = "same_kind") -> Any:
    """Return ``result``, a copy of ``source``, and note the copying; ``seen_as`` gives it the source's shape."""
    recorder = recorder_of((source,))
    copy = made(recorder, result if result.base is None else result.copy())
    target = place_of(seen_as(copy))
    options = {} if casting == "same_kind" else {"casting": casting}
    recorder.note(np.copyto, (target, place_of(source)), options, target)
    return copy


def copyto(target: Any, source: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Copy ``source`` into ``target``, where the condition holds."""
    recorder, place = recorder_of((target, source, where)), writable(target)
    arguments = (place, noted(source), casting, noted(where))
    np.copyto(plain(target), plain(source), casting, plain(where))
    recorder.note(np.copyto, arguments[:3] if where is True else arguments, out=place)  # without a mask it is faster


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Return the product of two vectors or matrices."""
    recorder, arguments = recorder_of((a, b, out)), (noted(a), noted(b))
    result = computed(recorder, out, lambda out: np.dot(plain(a), plain(b), out))
    recorder.note(_method(np.dot, arguments), (*arguments, place_of(result)), out=place_of(result))
    return result


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
    """Return the entries at these indices."""
    recorder, arguments = recorder_of((a, indices, out)), (noted(a), noted(indices), axis)
    result = computed(recorder, out, lambda out: np.take(plain(a), plain(indices), axis, out, mode))
    recorder.note(_method(np.take, arguments), (*arguments, place_of(result), mode), out=place_of(result))
    return result


def _method(function: Callable[..., Any], arguments: Sequence[Any]) -> Callable[..., Any] | str:
    """Return the first argument's method of a function's name, which is called sooner, if it is an array."""
    return function.__name__ if isinstance(arguments[0], Place | np.ndarray) else function


def fill(array: Any, value: Any) -> None:
    """Write one number everywhere."""
    if not isinstance(value, NUMBERS):
        copyto(array, value)
        return
    place = writable(array)
    plain(array).fill(value)
    recorder_of((array,)).note("fill", (place, value), out=place)


def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = list(arrays)
    recorder, arguments = recorder_of((*arrays, out)), noted(arrays)
    result = computed(recorder, out, lambda out: np.concatenate(plain(arrays), axis, out, dtype=dtype, casting=casting))
    options = {} if casting == "same_kind" else {"casting": casting}
    recorder.note(np.concatenate, (arguments, axis, place_of(result)), options, place_of(result))
    return result


def _where(condition: Any, *choices: Any) -> Any:
    recorder = recorder_of((condition, *choices))
    if len(choices) != 2:
        raise NotRecorded("np.where must be given two arrays to choose from, or it returns indices; name both")
    mask, yes, no = map(noted, (condition, *choices))
    result = made(recorder, np.where(plain(condition), *map(plain, choices)))
    if np.asarray(plain(condition)).dtype != np.bool_:
        mask = noted(condition != 0) if isinstance(mask, Place) else read_only(np.array(np.not_equal(condition, 0)))
    place = place_of(result)
    recorder.note(np.copyto, (place, no), out=place)
    recorder.note(np.copyto, (place, yes, "same_kind", mask), out=place)
    return result


def _einsum(subscripts: Any, *operands: Any, **options: Any) -> Any:
    if options or not isinstance(subscripts, str):
        raise NotRecorded('np.einsum must be given subscripts such as "ij,jk" and arrays only; leave options out')
    recorder = recorder_of(operands)
    arguments = (subscripts, *map(noted, operands))
    result = made(recorder, np.einsum(subscripts, *map(plain, operands)))
    recorder.note(np.einsum, arguments, {"out": place_of(result)}, place_of(result))
    return result


def _empty_like(like: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    return made(recorder_of((like,)), np.empty_like(plain(like), dtype, order, subok, shape))


def _full_like(like: Any, value: Any, *arguments: Any, **options: Any) -> Any:
    result = _empty_like(like, *arguments, **options)
    fill(result, value)
    return result


def _zeros_like(like: Any, *arguments: Any, **options: Any) -> Any:
    return _full_like(like, 0, *arguments, **options)


HANDLERS: dict[Any, Callable[..., Any]] = {
    np.concatenate: _concatenate,
    np.copyto: copyto,
    np.dot: dot,
    np.einsum: _einsum,
    np.empty_like: _empty_like,
    np.full_like: _full_like,
    np.take: take,
    np.where: _where,
    np.zeros_like: _zeros_like,
}
FOLLOWED = {
    np.all, np.any, np.array_split, np.clip, np.expand_dims, np.max, np.mean, np.min, np.reshape, np.split,
    np.squeeze, np.sum, np.swapaxes, np.transpose,
}  # fmt: skip
"""Functions that only call others, which are noted."""
