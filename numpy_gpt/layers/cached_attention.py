"""Attention while generating: keys and values of the past are kept, so that a new token costs one row and not all."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.attention import per_head, thirds_per_head
from numpy_gpt.layers.linear import linear_forward
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.shared.model.arrays import Array


class KeyValues(NamedTuple):
    """Room for the keys and values (B, H, block_size, D) of one layer; how much of it is filled, the caller knows."""

    k: Array
    v: Array


def cached_attention_forward(
    x: Array,
    c_attn_weight: Array,
    c_attn_bias: Array | None,
    c_proj_weight: Array,
    c_proj_bias: Array | None,
    n_head: int,
    past: KeyValues,
    length: int,
) -> Array:
    """Return attention's output for T new positions that follow ``length`` old ones, and keep their keys and values.

    The same function as ``attention_forward``, (8.1) to (8.8), of which only the last T rows are computed.
    Shapes: x (B·T, C) → (B·T, C).
    """
    batch = len(past.k)
    time = len(x) // batch
    end = length + time
    qkv, _ = linear_forward(x, c_attn_weight, c_attn_bias)
    q, k, v = thirds_per_head(qkv, batch, time, n_head)
    past.k[:, :, length:end] = k
    past.v[:, :, length:end] = v
    scores = q @ past.k[:, :, :end].swapaxes(-1, -2)  # (B, H, T, D) (B, H, D, S) → (B, H, T, S), S = length + T
    scores *= 1 / math.sqrt(q.shape[-1])
    if time > 1:  # a single query comes last, and sees all there is
        future = ~np.tri(time, end, length, dtype=np.bool_)  # query t stands at position length + t
        np.copyto(scores, -math.inf, where=future)
    weights, _ = softmax_forward(scores)
    merged = np.empty_like(x)
    np.matmul(weights, past.v[:, :, :end], out=per_head(merged, batch, time, n_head))
    out, _ = linear_forward(merged, c_proj_weight, c_proj_bias)
    return out
