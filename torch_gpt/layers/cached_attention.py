"""Attention during generation: the keys and values of the past are cached, so only new rows are computed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from torch_gpt.layers.attention import merge_heads, split_heads
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.layers.softmax import softmax_forward


class KeyValues(NamedTuple):
    """Buffers for the keys and values (B, H, block_size, D) of one layer; the caller tracks how much is filled."""

    k: Tensor
    v: Tensor


def cached_attention_forward(
    x: Tensor,
    c_attn_weight: Tensor,
    c_attn_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    n_head: int,
    past: KeyValues,
    length: int,
    fused: bool = False,
) -> Tensor:
    """Return attention's output (B, T, C) for T new positions x (B, T, C), which follow ``length`` earlier ones.

    ``past`` contains their keys and values, and the new ones are appended to it. ``fused`` selects torch's operations.
    """
    linear = linear_fused if fused else linear_forward
    q, k, v = split_heads(linear(x, c_attn_weight, c_attn_bias), n_head)  # (8.1)
    end = length + x.shape[1]
    past.k[:, :, length:end], past.v[:, :, length:end] = k, v
    k, v = past.k[:, :, :end], past.v[:, :, :end]
    past_only = None  # a single query comes last, and sees every key
    if q.shape[-2] > 1:
        positions = torch.arange(k.shape[-2], device=x.device)
        past_only = positions <= positions[-q.shape[-2] :, None]  # the queries are the last T positions
    if fused:
        heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=past_only)
    else:
        scaled = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.shape[-1])  # (8.2), (8.3)
        masked = scaled if past_only is None else scaled.masked_fill(~past_only, -math.inf)  # (8.4)
        heads = softmax_forward(masked) @ v  # (8.5), (8.6)
    return linear(merge_heads(heads), c_proj_weight, c_proj_bias)  # (8.7), (8.8)
