"""The feed-forward network: each position by itself, through a hidden layer four times as wide."""

from __future__ import annotations

from typing import NamedTuple

from numpy_gpt.layers.activation import ActivationCache, activation_backward, activation_forward
from numpy_gpt.layers.linear import LinearCache, linear_backward, linear_forward
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore


class FeedForwardCache(NamedTuple):
    """What feed_forward_backward needs."""

    c_fc: LinearCache
    activation: ActivationCache
    c_proj: LinearCache


class FeedForwardGradients(NamedTuple):
    """The gradients of feed_forward_forward's array arguments, in its order."""

    x: Array
    c_fc_weight: Array
    c_fc_bias: Array | None
    c_proj_weight: Array
    c_proj_bias: Array | None


def feed_forward_forward(
    x: Array,
    c_fc_weight: Array,
    c_fc_bias: Array | None,
    c_proj_weight: Array,
    c_proj_bias: Array | None,
    activation: str,
    record: Record = ignore,
) -> tuple[Array, FeedForwardCache]:
    """Return c_proj(activation(c_fc(x))).

    Shapes: x (…, C), c_fc_weight (C, F), c_proj_weight (F, C) → (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    hidden, c_fc = linear_forward(x, c_fc_weight, c_fc_bias)  # (9.1)
    hidden = record("hidden", hidden)
    activated, activation_cache = activation_forward(hidden, activation, record)  # (9.2)
    activated = record("activated", activated)
    out, c_proj = linear_forward(activated, c_proj_weight, c_proj_bias)  # (9.3)
    out = record("out", out)
    return out, FeedForwardCache(c_fc, activation_cache, c_proj)


def feed_forward_backward(dout: Array, cache: FeedForwardCache, record: Record = ignore) -> FeedForwardGradients:
    """Return the gradients of x and of the four parameters for dout (…, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    dout = record("dout", dout)
    dactivated, dc_proj_weight, dc_proj_bias = linear_backward(dout, cache.c_proj)  # (9.4) undoes (9.3)
    dactivated = record("dactivated", dactivated)
    dhidden = activation_backward(dactivated, cache.activation)  # (9.5) undoes (9.2)
    dhidden = record("dhidden", dhidden)
    dx, dc_fc_weight, dc_fc_bias = linear_backward(dhidden, cache.c_fc)  # (9.6) undoes (9.1)
    return FeedForwardGradients(dx, dc_fc_weight, dc_fc_bias, dc_proj_weight, dc_proj_bias)
