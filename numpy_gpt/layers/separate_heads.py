"""Attention as a textbook writes it: one head after another, each with three matrices of its own.

It is the same function as in attention.py, which computes all heads in one product and is what models use; this form is
there to be read, and to be compared with it. A head's matrices are columns of ``c_attn.weight``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.heads import mask_future_
from numpy_gpt.layers.attention import AttentionGradients
from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from numpy_gpt.layers.linear import LinearCache, linear_backward, linear_forward
from numpy_gpt.layers.softmax import SoftmaxCache, softmax_backward, softmax_forward
from numpy_gpt.shared.model.arrays import Array


class Projection(NamedTuple):
    """A head's own matrix (C, D) and bias (D) or None for its queries, its keys or its values; or their gradients."""

    weight: Array
    bias: Array | None


class HeadCache(NamedTuple):
    """What head_backward needs; ``used`` is the weights after dropout."""

    to_q: LinearCache
    to_k: LinearCache
    to_v: LinearCache
    q: Array
    k: Array
    v: Array
    softmax: SoftmaxCache
    mask: Array | None
    used: Array


class HeadGradients(NamedTuple):
    """The gradients of head_forward's array arguments, in its order."""

    x: Array
    to_q: Projection
    to_k: Projection
    to_v: Projection


class SeparateHeadsCache(NamedTuple):
    """What separate_heads_backward needs."""

    heads: tuple[HeadCache, ...]
    c_proj: LinearCache


def head_forward(
    x: Array, to_q: Projection, to_k: Projection, to_v: Projection, mask: Array | None = None
) -> tuple[Array, HeadCache]:
    """Return one head's result, softmax(causal(q kᵀ / √D)) v, with q, k, v from its own matrices.

    Shapes: x (B, T, C), dropout mask (B, T, S) or None → (B, T, D).
    """
    q, cache_q = linear_forward(x, *to_q)  # (8.20): (B, T, C) (C, D) → (B, T, D), three times
    k, cache_k = linear_forward(x, *to_k)
    v, cache_v = linear_forward(x, *to_v)
    scores = q @ k.swapaxes(-1, -2)  # (8.2): (B, T, D) (B, D, S) → (B, T, S)
    scaled = scores / math.sqrt(q.shape[-1])  # (8.3)
    masked = mask_future_(scaled)  # (8.4)
    used, softmax = softmax_forward(masked)  # (8.5)
    if mask is not None:
        used, _ = dropout_forward(used, mask)
    return used @ v, HeadCache(cache_q, cache_k, cache_v, q, k, v, softmax, mask, used)  # (8.6)


def head_backward(dout: Array, cache: HeadCache) -> HeadGradients:
    """Return the gradients of x and of the head's three projections for dout (B, T, D)."""
    dused = dout @ cache.v.swapaxes(-1, -2)  # (8.11) undoes (8.6)
    dv = cache.used.swapaxes(-1, -2) @ dout  # (8.12) undoes (8.6)
    dweights = dused if cache.mask is None else dropout_backward(dused, cache.mask)
    dmasked = softmax_backward(dweights, cache.softmax)  # (8.13) undoes (8.5), and (8.4)
    dscores = dmasked / math.sqrt(cache.q.shape[-1])  # (8.14) undoes (8.3)
    dq = dscores @ cache.k  # (8.15) undoes (8.2)
    dk = dscores.swapaxes(-1, -2) @ cache.q  # (8.16) undoes (8.2)
    dx_of_q, dw_q, db_q = linear_backward(dq, cache.to_q)  # (8.21) undoes (8.20), three times
    dx_of_k, dw_k, db_k = linear_backward(dk, cache.to_k)
    dx_of_v, dw_v, db_v = linear_backward(dv, cache.to_v)
    dx = dx_of_q + dx_of_k + dx_of_v  # x is used three times, so its gradients add
    return HeadGradients(dx, Projection(dw_q, db_q), Projection(dw_k, db_k), Projection(dw_v, db_v))


def separate_heads_forward(
    x: Array,
    c_attn_weight: Array,
    c_attn_bias: Array | None,
    c_proj_weight: Array,
    c_proj_bias: Array | None,
    n_head: int,
    mask: Array | None = None,
) -> tuple[Array, SeparateHeadsCache]:
    """Return the same as attention_forward: c_proj(concat over heads of each head's result).

    Shapes: x (B, T, C), c_attn_weight (C, 3C), c_proj_weight (C, C), dropout mask (B, H, T, S) or None → (B, T, C).
    """
    results, caches = [], []
    for head in range(n_head):
        to_q, to_k, to_v = _projections_of(head, n_head, c_attn_weight, c_attn_bias)
        result, cache = head_forward(x, to_q, to_k, to_v, None if mask is None else mask[:, head])
        results.append(result)
        caches.append(cache)
    merged = np.concatenate(results, axis=-1)  # (8.7): H of (B, T, D) → (B, T, C)
    out, c_proj = linear_forward(merged, c_proj_weight, c_proj_bias)  # (8.8)
    return out, SeparateHeadsCache(tuple(caches), c_proj)


def separate_heads_backward(dout: Array, cache: SeparateHeadsCache) -> AttentionGradients:
    """Return the gradients of x and of the four parameters for dout (B, T, C)."""
    dmerged, dc_proj_weight, dc_proj_bias = linear_backward(dout, cache.c_proj)  # (8.9) undoes (8.8)
    dheads = np.split(dmerged, len(cache.heads), axis=-1)  # (8.10) undoes (8.7): (B, T, C) → H of (B, T, D)
    heads = [head_backward(dhead, each) for dhead, each in zip(dheads, cache.heads, strict=True)]
    dx = sum((head.x for head in heads[1:]), start=heads[0].x)  # (8.21): every head uses x, so its gradients add
    # The columns of c_attn are all heads' q, then all their k, then all their v; no two heads share one.
    projections = [head.to_q for head in heads] + [head.to_k for head in heads] + [head.to_v for head in heads]
    dc_attn_weight = np.concatenate([each.weight for each in projections], axis=-1)
    biases = [each.bias for each in projections if each.bias is not None]
    dc_attn_bias = np.concatenate(biases) if biases else None
    return AttentionGradients(dx, dc_attn_weight, dc_attn_bias, dc_proj_weight, dc_proj_bias)


def _projections_of(head: int, n_head: int, weight: Array, bias: Array | None) -> list[Projection]:
    """Return a head's columns of c_attn: its D of the first C for q, of the second C for k, of the third C for v."""
    width = weight.shape[0]
    size = width // n_head
    starts = [part * width + head * size for part in range(3)]
    columns = [slice(start, start + size) for start in starts]
    return [Projection(weight[:, part], None if bias is None else bias[part]) for part in columns]
