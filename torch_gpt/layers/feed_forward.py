"""The feed-forward network: each position by itself, through a hidden layer four times as wide."""

from __future__ import annotations

from torch import Tensor

from numpy_gpt.shared.model.record import Record, ignore
from torch_gpt.layers.activation import activation_forward, activation_fused
from torch_gpt.layers.linear import linear_forward, linear_fused


def feed_forward_forward(
    x: Tensor,
    c_fc_weight: Tensor,
    c_fc_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    activation: str,
    record: Record = ignore,
) -> Tensor:
    """Return c_proj(activation(c_fc(x))).

    Shapes: x (…, C), c_fc_weight (C, F), c_proj_weight (F, C) → (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    hidden = linear_forward(x, c_fc_weight, c_fc_bias)  # (9.1)
    hidden = record("hidden", hidden)
    activated = activation_forward(hidden, activation, record)  # (9.2)
    activated = record("activated", activated)
    out: Tensor = linear_forward(activated, c_proj_weight, c_proj_bias)  # (9.3)
    out = record("out", out)
    return out


def feed_forward_fused(
    x: Tensor,
    c_fc_weight: Tensor,
    c_fc_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    activation: str,
    record: Record = ignore,
) -> Tensor:
    """Return the same with torch's linear, gelu and relu; the values inside the GELU are not recorded.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    hidden = linear_fused(x, c_fc_weight, c_fc_bias)
    hidden = record("hidden", hidden)
    activated = activation_fused(hidden, activation)
    activated = record("activated", activated)
    out: Tensor = linear_fused(activated, c_proj_weight, c_proj_bias)
    out = record("out", out)
    return out
