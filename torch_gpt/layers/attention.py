"""Causal multi-head self-attention, in GPT-2's form (Vaswani et al. 2017; Radford et al. 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore
from torch_gpt.layers.dropout import dropout_forward, is_own_draw_faster
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.layers.softmax import softmax_forward, softmax_fused


def attention_forward(
    x: Tensor,
    c_attn_weight: Tensor,
    c_attn_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    n_head: int,
    mask: Tensor | float | None = None,
    record: Record = ignore,
) -> Tensor:
    """Return c_proj(concat over heads of softmax(q kᵀ/√D, the past only) v), with q, k, v = split(c_attn(x)).

    Shapes: x (B, T, C), c_attn_weight (C, 3C), c_proj_weight (C, C), dropout mask (B, H, T, S) or None → (B, T, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    q, k, v = split_heads(linear_forward(x, c_attn_weight, c_attn_bias), n_head, record)  # (8.1)
    heads = causal_attention(q, k, v, mask, record)
    heads = record("heads", heads)
    out: Tensor = linear_forward(merge_heads(heads, record), c_proj_weight, c_proj_bias)  # (8.8)
    out = record("out", out)
    return out


def causal_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | float | None = None, record: Record = ignore
) -> Tensor:
    """Return, for each query, the average of v weighted by softmax(q·k/√D) over the keys up to its own position.

    Shapes: q, k, v (B, H, T, D), dropout mask on the weights (B, H, T, S) or None → (B, H, T, D).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    time, head_size = q.shape[-2:]
    scores = q @ k.transpose(-2, -1)  # (8.2): (B, H, T, D) (B, H, D, S) → (B, H, T, S)
    scores = record("scores", scores)
    scaled = scores / math.sqrt(head_size)  # (8.3)
    record("scaled", scaled)
    future = torch.ones(time, time, dtype=torch.bool, device=q.device).triu(diagonal=1)  # keys after the query
    masked = scaled.masked_fill(future, -math.inf)  # (8.4)
    record("masked", masked)
    weights: Tensor = softmax_forward(masked, record)  # (8.5)
    weights = record("weights", weights)
    if mask is not None:
        weights = dropout_forward(weights, mask)
        record("weights_dropout", weights)
    return weights @ v  # (8.6): (B, H, T, S) (B, H, S, D) → (B, H, T, D)


def attention_fused(
    x: Tensor,
    c_attn_weight: Tensor,
    c_attn_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    n_head: int,
    mask: Tensor | float | None = None,
    record: Record = ignore,
) -> Tensor:
    """Return the same with torch's scaled_dot_product_attention; scores and weights are never stored.

    It drops weights at random if ``mask`` is a rate. With a given mask, the weights are computed as above.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    q, k, v = split_heads(linear_fused(x, c_attn_weight, c_attn_bias), n_head, record)
    if isinstance(mask, Tensor):
        heads = causal_attention(q, k, v, mask, record)
    elif mask and q.dtype != torch.float16 and is_own_draw_faster(q.device, q.shape[:-1].numel() * q.shape[-2]):
        # On a CPU, scaled_dot_product_attention uses torch's slow dropout, but in float16 it is still the fastest.
        heads = _attention_with_dropout(q, k, v, mask)
    else:
        heads = functional.scaled_dot_product_attention(q, k, v, dropout_p=mask or 0.0, is_causal=True)
    heads = record("heads", heads)
    out: Tensor = linear_fused(merge_heads(heads, record), c_proj_weight, c_proj_bias)
    out = record("out", out)
    return out


def _attention_with_dropout(q: Tensor, k: Tensor, v: Tensor, rate: float) -> Tensor:
    """Return the same as causal_attention, with weights dropped at ``rate``.

    Even under autocast the scores are float32, as in torch's own operation: softmax amplifies their rounding.
    """
    time, head_size = q.shape[-2:]
    future = torch.ones(time, time, dtype=torch.bool, device=q.device).triu(diagonal=1)
    with torch.autocast(q.device.type, enabled=False):
        wide = torch.promote_types(q.dtype, torch.float32)
        scores = (q.to(wide) / math.sqrt(head_size)) @ k.to(wide).transpose(-2, -1)
        weights = softmax_fused(scores.masked_fill(future, -math.inf)).to(v.dtype)
    return dropout_forward(weights, rate) @ v


def split_heads(qkv: Tensor, n_head: int, record: Record = ignore) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k and v, each (B, H, T, D), from qkv (B, T, 3C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    record("qkv", qkv)
    batch, time = qkv.shape[:2]
    # The 3C columns are q, k and v, C each; in each, head h has the columns h·D to h·D + D − 1:
    # (B, T, C) → (B, T, H, D) → (B, H, T, D)
    q, k, v = (part.reshape(batch, time, n_head, -1).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    return record("q", q), record("k", k), record("v", v)


def merge_heads(heads: Tensor, record: Record = ignore) -> Tensor:
    """Return the heads (B, H, T, D) side by side (B, T, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    merged: Tensor = record("merged", heads.transpose(1, 2).flatten(-2))  # (8.7): (B, T, H, D) → (B, T, C)
    return merged
