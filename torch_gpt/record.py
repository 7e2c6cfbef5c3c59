"""Recorders for tensors: gradients of recorded activations by autograd hooks, and conversion to NumPy arrays.

The forward functions pass their tensors to ``record(name, tensor)`` undetached, as part of autograd's graph, so a
changed tensor that it returns has the right gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from gpt_data.errors import UserError
from numpy_gpt.shared.model import interventions
from numpy_gpt.shared.model.argument_checks import check_record
from numpy_gpt.shared.model.array_checks import check_array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.interventions import Interventions, Recorder, intervene, unknown_gradient
from numpy_gpt.shared.model.names import gradient_name, is_use
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.record import keep_in as keep_arrays_in
from torch_gpt.parameters import check_tensor, tensor_from

__all__ = [
    "Intervention",
    "TensorRecorder",
    "as_arrays",
    "intervene",
    "keep_in",
    "recorder_of",
    "use_of",
    "with_gradients",
]


@dataclass(frozen=True, eq=False)
class Intervention(interventions.Intervention):
    """The same as numpy_gpt's Intervention, for which scale and shift may be tensors too, with or without gradients.

    Raises
    ------
    UserError
        If the scale is not finite, the shift is NaN or inf, or one is no floating-point number or array of such.
    """

    def _checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return super()._checked(name, value)
        check_tensor(name, value)
        if not value.dtype.is_floating_point:
            raise UserError(f"{name} must be floating-point numbers, not {value.dtype}")
        return value


class TensorRecorder(Recorder):
    """A Recorder of tensors; a change may be given as a NumPy array too."""

    def __call__(self, name: str, array: Tensor) -> Tensor:
        """Return the tensor, or what was made of it; only a listener to gradients hears of a use."""
        if is_use(name) and not isinstance(self._hear, _GradientListener):
            return array
        changed: Tensor = super().__call__(name, array)
        return changed

    def _show(self, array: Tensor) -> Tensor:
        return array

    def _is_all(self, value: Any, number: int) -> bool:
        return not getattr(value, "requires_grad", False) and super()._is_all(value, number)

    def _own(self, what: str, value: Any, array: Tensor) -> Tensor:
        if isinstance(value, np.ndarray):
            check_array(what, value)
            return tensor_from(value, array.device)
        check_tensor(what, value)
        return value.to(array.device)  # type: ignore[no-any-return]


def recorder_of(record: Any, config: ModelConfig) -> Record:
    """Return the recorder that a computation with tensors calls for a user's ``record``, checked.

    Raises
    ------
    UserError
        If ``record`` is not a function, or changes what cannot be changed.
    """
    if record is ignore or isinstance(record, Recorder):
        return record
    check_record(record)
    return TensorRecorder(record, config)


def with_gradients(record: Record) -> Record:
    """Return a recorder that also passes on each activation's gradient during backward, named by ``gradient_name``.

    ``h.0.attn.q`` is recorded in the forward pass and ``h.0.attn.dq`` in the backward pass, both detached from
    autograd's graph. An activation that the loss does not depend on, such as ``probabilities``, has no gradient. Only
    Interventions may change activations, because ``record`` hears of a detached tensor.

    Raises
    ------
    UserError
        If ``record`` is not a function; later, if it returns a change of an activation or a gradient.
    """
    if record is ignore:
        return ignore
    check_record(record)
    if isinstance(record, Interventions):
        return Interventions(record.changes, with_gradients(record.record))

    return _GradientListener(record)


class _GradientListener:
    """What ``with_gradients`` returns."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        """Pass the tensor on now, unless it is a use of one that has a name already, and its gradient in backward."""
        later = gradient_name(name)
        if not is_use(name):
            self._hear(name, tensor, unknown_gradient(later))
        if tensor.requires_grad:
            error = f"{later!r} cannot be changed; change {name!r} by intervene"
            tensor.register_hook(lambda gradient: self._hear(later, gradient, error))  # type: ignore[no-untyped-call]
        return tensor

    def _hear(self, name: str, tensor: Tensor, error: str) -> None:
        shown = tensor.detach()
        heard = self._record(name, shown)
        if heard is not None and heard is not shown:
            raise UserError(error)


def use_of(record: Record, name: str, tensor: Tensor) -> Tensor:
    """Return the tensor for one of the uses in ``use_shapes``, whose share of its gradient ``with_gradients`` hears."""
    if record is ignore:
        return tensor
    use: Tensor = record(name, tensor.view_as(tensor))
    return use


def as_arrays(record: Record) -> Record:
    """Return a recorder that passes each tensor on as a NumPy array, which is read-only and may share its memory.

    Raises
    ------
    UserError
        If ``record`` is not a function.
    """
    if record is ignore:
        return ignore
    check_record(record)
    if isinstance(record, Interventions):
        return Interventions(record.changes, as_arrays(record.record))

    def listen(name: str, tensor: Tensor) -> Any:
        array = tensor.detach().cpu().numpy()
        array.flags.writeable = False
        heard = record(name, array)
        return tensor if heard is None or heard is array else heard

    return listen


def keep_in(store: dict[str, Any]) -> Record:
    """Return a recorder that keeps a copy of every tensor in ``store``, as a NumPy array, in order of computation."""
    return as_arrays(keep_arrays_in(store))
