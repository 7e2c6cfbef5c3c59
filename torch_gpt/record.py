"""Recorders for tensors: gradients of recorded activations by autograd hooks, and conversion to NumPy arrays.

The forward functions pass their tensors to ``record(name, tensor)`` undetached, as part of autograd's graph.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from numpy_gpt.shared.model.names import gradient_name
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.record import keep_in as keep_arrays_in


def with_gradients(record: Record) -> Record:
    """Return a recorder that also passes on each activation's gradient during backward, named by ``gradient_name``.

    ``h.0.attn.q`` is recorded in the forward pass and ``h.0.attn.dq`` in the backward pass, both detached from
    autograd's graph. An activation that the loss does not depend on, such as ``probabilities``, has no gradient.
    """
    if record is ignore:
        return ignore

    def listen(name: str, tensor: Tensor) -> None:
        record(name, tensor.detach())
        if tensor.requires_grad:
            tensor.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: record(gradient_name(name), gradient.detach())
            )

    return listen


def as_arrays(record: Record) -> Record:
    """Return a recorder that passes each tensor on as a NumPy array, which may share its memory."""
    return lambda name, tensor: record(name, tensor.detach().cpu().numpy())


def keep_in(store: dict[str, Any]) -> Record:
    """Return a recorder that keeps a copy of every tensor in ``store``, as a NumPy array, in order of computation."""
    return as_arrays(keep_arrays_in(store))
