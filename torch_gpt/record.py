"""Listening to autograd: the gradient of every recorded activation, and a record that keeps arrays.

The forward functions hand their tensors to ``record(name, tensor)`` as they are, part of autograd's graph.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from numpy_gpt.shared.model.names import gradient_name
from numpy_gpt.shared.model.record import Record, ignore


def with_gradients(record: Record) -> Record:
    """Return a record that also hands on, during backward, the gradient of each activation by ``gradient_name``.

    ``h.0.attn.q`` comes in the forward pass, ``h.0.attn.dq`` in the backward pass, both without autograd's graph. An
    activation that the loss does not depend on, such as ``probabilities``, has no gradient.
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


def keep_in(store: dict[str, Any]) -> Record:
    """Return a record that keeps every tensor in ``store`` as a NumPy array of its own, in order of computation."""

    def record(name: str, tensor: Tensor) -> None:
        store[name] = tensor.detach().cpu().numpy().copy()

    return record
