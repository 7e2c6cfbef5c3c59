"""Causal multi-head self-attention (Vaswani et al. 2017, GPT-2's form): every position looks at itself and the past."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from numpy_gpt.layers.linear import LinearCache, linear_backward, linear_forward
from numpy_gpt.layers.rows import as_rows
from numpy_gpt.layers.softmax import SoftmaxCache, softmax_backward, softmax_forward
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore, unflattened


class AttentionCache(NamedTuple):
    """What attention_backward needs; ``used`` are the weights after dropout."""

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


def attention_forward(
    x: Array,
    c_attn_weight: Array,
    c_attn_bias: Array | None,
    c_proj_weight: Array,
    c_proj_bias: Array | None,
    n_head: int,
    mask: Array | None = None,
    record: Record = ignore,
) -> tuple[Array, AttentionCache]:
    """Return c_proj(concat over heads of softmax(causal(q kᵀ / √D)) v), with q, k, v = split(c_attn(x)).

    Shapes: x (B, T, C), c_attn_weight (C, 3C), c_proj_weight (C, C), dropout mask (B, H, T, T) or None → (B, T, C).
    The scale is the root of the head's size D, not of the width C.
    """
    rows, record_rows = as_rows(x), unflattened(record, x)
    batch, time, _ = x.shape
    qkv, c_attn = linear_forward(rows, c_attn_weight, c_attn_bias)  # (8.1)
    q, k, v = thirds_per_head(qkv, batch, time, n_head, record)
    scores = q @ k.swapaxes(-1, -2)  # (8.2): (B, H, T, D) (B, H, D, S) → (B, H, T, S)
    record("scores", scores)
    scores *= 1 / math.sqrt(q.shape[-1])  # (8.3), as a product, which is quicker
    record("scaled", scores)
    # (8.4): fmin takes the smaller, or the number beside a NaN: −inf replaces every score of the future, even a NaN.
    # np.copyto(scores, -math.inf, where=future) does the same, in twice the time.
    np.fmin(scores, _causal(time, scores.dtype), out=scores)
    record("masked", scores)
    weights, softmax = softmax_forward(scores, record)  # (8.5)
    record("weights", weights)
    used = weights
    if mask is not None:
        used, _ = dropout_forward(weights, mask)
        record("weights_dropout", used)
    merged = np.empty_like(rows)
    heads = per_head(merged, batch, time, n_head)  # (8.7): written to where they stand side by side
    np.matmul(used, v, out=heads)  # (8.6): (B, H, T, S) (B, H, S, D) → (B, H, T, D)
    record("heads", heads)
    record_rows("merged", merged)
    out, c_proj = linear_forward(merged, c_proj_weight, c_proj_bias)  # (8.8)
    record_rows("out", out)
    return out.reshape(x.shape), AttentionCache(c_attn, q, k, v, softmax, mask, used, c_proj)


def attention_backward(dout: Array, cache: AttentionCache, record: Record = ignore) -> AttentionGradients:
    """Return the gradients of x and of the four parameters for dout (B, T, C)."""
    batch, n_head, time, size = cache.q.shape
    record("dout", dout)
    dmerged, dc_proj_weight, dc_proj_bias = linear_backward(as_rows(dout), cache.c_proj)  # (8.9) undoes (8.8)
    unflattened(record, dout)("dmerged", dmerged)
    dheads = per_head(dmerged, batch, time, n_head)  # (8.10) undoes (8.7)
    record("dheads", dheads)
    dused: Array = dheads @ cache.v.swapaxes(-1, -2)  # (8.11) undoes (8.6)
    dqkv = np.empty((len(dmerged), 3 * n_head * size), dmerged.dtype)
    dq, dk, dv = thirds_per_head(dqkv, batch, time, n_head)  # (8.17) undoes (8.1): packed by where they are written to
    np.matmul(cache.used.swapaxes(-1, -2), dheads, out=dv)  # (8.12) undoes (8.6)
    if cache.mask is not None:
        record("dweights_dropout", dused)
        dused = dropout_backward(dused, cache.mask)
    record("dweights", dused)
    dscores = softmax_backward(dused, cache.softmax)  # (8.13) undoes (8.5) and (8.4): masked weights are exactly 0
    record("dmasked", dscores)
    record("dscaled", dscores)
    dscores *= 1 / math.sqrt(size)  # (8.14) undoes (8.3)
    record("dscores", dscores)
    np.matmul(dscores, cache.k, out=dq)  # (8.15) undoes (8.2)
    np.matmul(dscores.swapaxes(-1, -2), cache.q, out=dk)  # (8.16) undoes (8.2): summed over queries, hence transposed
    record("dq", dq)
    record("dk", dk)
    record("dv", dv)
    # (8.18): softmax ignores a shift of its row, so the key bias (the middle third) gets zero, but for rounding.
    dx, dc_attn_weight, dc_attn_bias = linear_backward(dqkv, cache.c_attn)
    return AttentionGradients(dx.reshape(dout.shape), dc_attn_weight, dc_attn_bias, dc_proj_weight, dc_proj_bias)


def per_head(rows: Array, batch: int, time: int, n_head: int) -> Array:
    """Return a view (B, H, T, D) of rows (B·T, H·D)."""
    return rows.reshape(batch, time, n_head, rows.shape[1] // n_head).swapaxes(1, 2)


def thirds_per_head(
    qkv: Array, batch: int, time: int, n_head: int, record: Record = ignore
) -> tuple[Array, Array, Array]:
    """Return q, k and v (B, H, T, D), views of the rows qkv (B·T, 3·H·D)."""
    # (B·T, 3·H·D) → (B, T, 3, H, D) → (3, B, H, T, D), one array for each third
    thirds = qkv.reshape(batch, time, 3, n_head, qkv.shape[1] // (3 * n_head)).transpose(2, 0, 3, 1, 4)
    q, k, v = thirds[0], thirds[1], thirds[2]  # unpacking an array takes twice as long
    record("q", q)
    record("k", k)
    record("v", v)
    return q, k, v


@lru_cache(maxsize=8)
def _causal(time: int, dtype: np.dtype[np.floating]) -> Array:
    """Return −inf where the key s comes after the query t, and elsewhere NaN, which is no limit at all: (T, T)."""
    limits = np.where(np.tri(time, dtype=np.bool_), math.nan, -math.inf).astype(dtype)
    limits.flags.writeable = False  # it is kept from step to step, and shared by all who ask
    return limits
