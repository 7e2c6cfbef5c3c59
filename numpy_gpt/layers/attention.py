"""Causal multi-head self-attention (Vaswani et al. 2017, GPT-2's form): every position looks at itself and the past."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.elementwise import multiply_
from numpy_gpt.kernels.heads import mask_future_, split_heads, split_qkv, weighted_sums
from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from numpy_gpt.layers.linear import LinearCache, linear_backward, linear_forward
from numpy_gpt.layers.softmax import SoftmaxCache, softmax_backward, softmax_forward
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore


class AttentionCache(NamedTuple):
    """What attention_backward needs; ``used`` is the weights after a change by ``record``, and after dropout."""

    c_attn: LinearCache
    q: Array
    k: Array
    v: Array
    softmax: SoftmaxCache
    mask: Array | None
    used: Array
    c_proj: LinearCache


class AttentionGradients(NamedTuple):
    """The gradients of attention_forward's array arguments, in its order."""

    x: Array
    c_attn_weight: Array
    c_attn_bias: Array | None
    c_proj_weight: Array
    c_proj_bias: Array | None


class KeyValues(NamedTuple):
    """Buffers for the keys and values (B, H, block_size, D) of one layer; the caller tracks how much is filled."""

    k: Array
    v: Array


def attention_forward(
    x: Array,
    c_attn_weight: Array,
    c_attn_bias: Array | None,
    c_proj_weight: Array,
    c_proj_bias: Array | None,
    n_head: int,
    mask: Array | None = None,
    record: Record = ignore,
    past: KeyValues | None = None,
    length: int = 0,
) -> tuple[Array, AttentionCache]:
    """Return c_proj(concat over heads of softmax(causal(q kᵀ / √D)) v), with q, k, v = split(c_attn(x)).

    The scale is the root of the head's size D, not of the width C. With ``past``, the positions of x follow ``length``
    earlier ones, whose keys and values it contains, and the new keys and values are appended to it: the same function,
    but only its last T rows are computed.

    Shapes: x (B, T, C), c_attn_weight (C, 3C), c_proj_weight (C, C), dropout mask (B, H, T, S) or None → (B, T, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    qkv, c_attn = linear_forward(x, c_attn_weight, c_attn_bias)  # (8.1)
    record("qkv", qkv)
    q, k, v = split_qkv(qkv, n_head)
    q, k, v = record("q", q), record("k", k), record("v", v)
    if past is not None:
        k, v = _extend(past, length, k, v)
    scores = q @ k.swapaxes(-1, -2)  # (8.2): (B, H, T, D) (B, H, D, S) → (B, H, T, S)
    scores = record("scores", scores)
    scaled = multiply_(scores, 1 / math.sqrt(q.shape[-1]))  # (8.3)
    record("scaled", scaled)
    masked = mask_future_(scaled)  # (8.4)
    record("masked", masked)
    weights, softmax = softmax_forward(masked, record)  # (8.5)
    used = record("weights", weights)  # a change is no change of softmax, whose cache keeps its own result
    if mask is not None:
        used, _ = dropout_forward(used, mask)
        record("weights_dropout", used)
    # (8.6), (8.7): (B, H, T, S) (B, H, S, D) → (B, H, T, D), and the same numbers side by side, (B, T, C)
    heads, merged = weighted_sums(used, v)
    if record is not ignore:
        heads[...] = record("heads", heads)  # merged is the same memory
    merged = record("merged", merged)
    out, c_proj = linear_forward(merged, c_proj_weight, c_proj_bias)  # (8.8)
    out = record("out", out)
    return out, AttentionCache(c_attn, q, k, v, softmax, mask, used, c_proj)


def attention_backward(dout: Array, cache: AttentionCache, record: Record = ignore) -> AttentionGradients:
    """Return the gradients of x and of the four parameters for dout (B, T, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    batch, n_head, time, size = cache.q.shape
    dout = record("dout", dout)
    dmerged, dc_proj_weight, dc_proj_bias = linear_backward(dout, cache.c_proj)  # (8.9) undoes (8.8)
    dmerged = record("dmerged", dmerged)
    dheads = split_heads(dmerged, n_head)  # (8.10) undoes (8.7)
    dheads = record("dheads", dheads)
    dused: Array = dheads @ cache.v.swapaxes(-1, -2)  # (8.11) undoes (8.6)
    dqkv = np.empty_like(dout, shape=(batch, time, 3 * n_head * size))
    dq, dk, dv = split_qkv(dqkv, n_head)  # views: the products below fill dqkv
    np.matmul(cache.used.swapaxes(-1, -2), dheads, out=dv)  # (8.12) undoes (8.6)
    if cache.mask is not None:
        record("dweights_dropout", dused)
        dused = dropout_backward(dused, cache.mask)
    dweights = record("dweights", dused)
    dmasked = softmax_backward(dweights, cache.softmax)  # (8.13) undoes (8.5)
    record("dmasked", dmasked)
    record("dscaled", dmasked)  # undoes (8.4): a masked weight is exactly 0, and so is its gradient
    dscores = multiply_(dmasked, 1 / math.sqrt(size))  # (8.14) undoes (8.3)
    dscores = record("dscores", dscores)
    np.matmul(dscores, cache.k, out=dq)  # (8.15) undoes (8.2)
    np.matmul(dscores.swapaxes(-1, -2), cache.q, out=dk)  # (8.16) undoes (8.2): summed over queries, hence transposed
    if record is not ignore:
        dq[...], dk[...], dv[...] = record("dq", dq), record("dk", dk), record("dv", dv)
    record("dqkv", dqkv)
    # (8.17) undoes (8.1). (8.18): softmax ignores a shift of its row, so the gradient of the key bias (the middle
    # third) is zero, apart from rounding.
    dx, dc_attn_weight, dc_attn_bias = linear_backward(dqkv, cache.c_attn)
    return AttentionGradients(dx, dc_attn_weight, dc_attn_bias, dc_proj_weight, dc_proj_bias)


def _extend(past: KeyValues, length: int, k: Array, v: Array) -> tuple[Array, Array]:
    """Write the new keys and values after the ``length`` earlier ones, and return all of them, (B, H, S, D) each."""
    end = length + k.shape[-2]
    past.k[:, :, length:end] = k
    past.v[:, :, length:end] = v
    return past.k[:, :, :end], past.v[:, :, :end]
