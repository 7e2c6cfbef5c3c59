"""Interventions: a recorder changes an activation, and the computation continues with the change, gradients included.

A recorder that returns an array instead of None has changed the activation. In a forward pass any function may. For a
gradient the derivative of the change must be known, so there a change is an ``Intervention``, scale·x + shift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe, suggest
from numpy_gpt.shared.model.argument_checks import check_mapping, check_number, check_record
from numpy_gpt.shared.model.array_checks import check_array, dtype_name
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import changeable_names, describe_changeable, gradient_name
from numpy_gpt.shared.model.record import Record, ignore


@dataclass(frozen=True, eq=False)
class Intervention:
    """The change of an activation from x to scale·x + shift (18.1).

    A scale of 0 replaces x: by zero, by its mean, or by what another text has there (patching), as the shift says. A
    scale of 1 adds the shift (steering); −inf, added to a score, takes away one edge of attention. Each is a number, or
    an array that broadcasts to x and has its dtype.

    Raises
    ------
    UserError
        If the scale is not finite, the shift is NaN or inf, or one is no floating-point number or array of such.
    """

    scale: Any = 1.0
    shift: Any = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "shift"):
            object.__setattr__(self, name, self._checked(name, getattr(self, name)))  # the only way in a frozen one
        if not _all(abs(self.scale) < np.inf):
            raise UserError(f"scale must be finite, not {describe(self.scale)}")
        if not _all(self.shift < np.inf):  # written so that NaN fails
            raise UserError(f"shift must be finite or -inf, not {describe(self.shift)}")

    def _checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return check_number(name, value)
        check_array(name, value)
        if value.dtype.kind != "f":
            raise UserError(f"{name} must be floating-point numbers, not {value.dtype}")
        return value


class Interventions:
    """A ``record`` that changes activations by name before ``record`` hears them; made by ``intervene``."""

    def __init__(self, changes: Mapping[str, Intervention], record: Record) -> None:
        self.changes, self.record = changes, record

    def __call__(self, name: str, array: Any) -> Any:
        """Pass on what has no changes; the library itself makes the changes, because backward must know of them."""
        if name in self.changes:
            raise UserError("give what intervene returns as record itself, not a function that calls it")
        return self.record(name, array)


def intervene(changes: Mapping[str, Intervention], record: Record = ignore) -> Record:
    """Return a recorder that changes activations by name, for any function that takes a ``record``.

    In backward, the gradient of each is multiplied by its scale (18.2). ``record`` hears the values that the model
    continues with, and the gradients with respect to these; pass ``keep_in(store)`` to keep copies of them.

    Raises
    ------
    UserError
        If the changes are not Interventions by name, or ``record`` is not a function or changes the same names.
    """
    check_mapping("changes", changes)
    check_record(record)
    for name, change in changes.items():
        if not isinstance(name, str) or not isinstance(change, Intervention):
            raise UserError(f"changes must be Interventions by name, not {describe(change)} for {describe(name)}")
    if isinstance(record, Interventions):
        if both := changes.keys() & record.changes.keys():
            raise UserError(f"{min(both)!r} is changed twice; combine the two Interventions into one")
        return Interventions({**changes, **record.changes}, record.record)
    return Interventions(dict(changes), record)


class Recorder(ABC):
    """What a user's ``record`` becomes at a door of the library: every call returns the array to continue with.

    ``scales`` are those of the changes by the name of the activation's gradient, None where a function made a change
    whose derivative is unknown. The subclasses know the kind of array.

    Raises
    ------
    UserError
        At the door, if an Intervention has a name that cannot be changed. Later, if an array does not fit, or a change
        was never made because this computation has no such array.
    """

    def __init__(self, record: Record, config: ModelConfig) -> None:
        self._changes: Mapping[str, Intervention] = record.changes if isinstance(record, Interventions) else {}
        self._hear = record.record if isinstance(record, Interventions) else record
        self._config, self._waiting = config, set(self._changes)
        self.scales: dict[str, Any] = {}
        for name in self._changes:
            self._check_changeable(name)

    def __call__(self, name: str, array: Any) -> Any:
        """Return the array, or what an Intervention or the user's function made of it."""
        if name in self._changes:
            array = self._changed(name, self._changes[name], array)
        if name == "logits" and self._waiting:  # the last of all activations that can be changed
            missing = min(self._waiting)
            raise UserError(f"{missing!r} is inside a fused operation here, and cannot be changed; use fused=False")
        shown = self._show(array)
        heard = self._hear(name, shown)
        if heard is None or heard is shown:
            return array
        self._check_changeable(name)
        self.scales[gradient_name(name)] = None
        return self._taken(name, heard, array)

    @abstractmethod
    def _show(self, array: Any) -> Any:
        """Return what the user's function hears of an array."""

    @abstractmethod
    def _own(self, what: str, value: Any, array: Any) -> Any:
        """Return a checked copy of a user's array, of the kind and in the place of ``array``."""

    def _changed(self, name: str, change: Intervention, array: Any) -> Any:
        self._waiting.discard(name)
        scale, shift = (self._constant(f"the {part} of {name!r}", getattr(change, part), array) for part in _PARTS)
        if not self._is_all(scale, 1):
            array = array * scale
            self.scales[gradient_name(name)] = scale
        return array if self._is_all(shift, 0) else array + shift  # (18.1); −0 + 0 would be +0

    def _is_all(self, value: Any, number: int) -> bool:
        return _all(value == number)

    def _constant(self, what: str, value: Any, array: Any) -> Any:
        if isinstance(value, float):
            return value
        shape, dtype = tuple(array.shape), dtype_name(array.dtype)
        if dtype_name(value.dtype) != dtype or not _broadcasts(tuple(value.shape), shape):
            given = f"{dtype_name(value.dtype)} {tuple(value.shape)}"
            raise UserError(f"{what} must be a number, or {dtype} that broadcasts to {shape}, not {given}")
        return self._own(what, value, array)

    def _taken(self, name: str, value: Any, array: Any) -> Any:
        what = f"what record returns for {name!r}"
        own = self._own(what, value, array)
        wanted, given = (f"{dtype_name(each.dtype)} {tuple(each.shape)}" for each in (array, own))
        if given != wanted:
            raise UserError(f"{what} must be None or {wanted}, not {given}")
        return own

    def _check_changeable(self, name: str) -> None:
        known = changeable_names(self._config)
        if name not in known:
            hint = suggest(name, known)
            raise UserError(f"{describe(name)} cannot be changed{hint}; these can: {describe_changeable(self._config)}")


class ArrayRecorder(Recorder):
    """A Recorder of NumPy arrays: it shows read-only views, so that a change in place is an error."""

    def _show(self, array: Any) -> Any:
        if not isinstance(array, np.ndarray):
            return array  # the loss is a NumPy scalar
        view = array.view()
        view.flags.writeable = False
        return view

    def _own(self, what: str, value: Any, array: Any) -> Array:
        check_array(what, value)
        return np.array(value)  # the layer may overwrite it


def recorder_of(record: Any, config: ModelConfig) -> Record:
    """Return the recorder that a computation with NumPy arrays calls for a user's ``record``, checked.

    Raises
    ------
    UserError
        If ``record`` is not a function, or changes what cannot be changed.
    """
    if record is ignore or isinstance(record, Recorder):
        return record
    check_record(record)
    return ArrayRecorder(record, config)


def scales_of(record: Record) -> Mapping[str, Any]:
    """Return the scales of the changes that a recorder made, by the names of the gradients that they multiply."""
    return record.scales if record is not ignore and isinstance(record, Recorder) else _NO_SCALES


def with_scaled_gradients(record: Record, scales: Mapping[str, Any]) -> Record:
    """Return the recorder for backward: it passes each gradient on, then multiplies it by its scale.

    Raises
    ------
    UserError
        If an activation was changed by a function.
    """
    if not scales:
        return record
    for name, scale in scales.items():
        if scale is None:
            raise UserError(unknown_gradient(name))

    def listen(name: str, gradient: Array) -> Array:
        heard: Array = record(name, gradient)
        return heard * scales[name] if name in scales else heard  # (18.2) undoes (18.1)

    return listen


def unknown_gradient(name: str) -> str:
    """Return the error of a change without a known derivative, where its gradient has this name."""
    return f"{name!r} is unknown, because a function made the change; use intervene, whose derivative is known"


_PARTS = ("scale", "shift")
_NO_SCALES: Mapping[str, Any] = {}


def _all(condition: Any) -> bool:
    return condition if isinstance(condition, bool) else bool(condition.all())


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False
