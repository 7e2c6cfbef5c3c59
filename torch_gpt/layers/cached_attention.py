"""Attention while generating: the keys and values of the past are kept and only new rows computed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from torch_gpt.layers.attention import merge_heads, split_heads
from torch_gpt.layers.linear import linear_forward
from torch_gpt.layers.softmax import softmax_forward


class KeyValues(NamedTuple):
    """The keys and values (B, H, S, D) of the S positions that one layer has seen."""

    k: Tensor
    v: Tensor


def cached_attention_forward(
    x: Tensor,
    c_attn_weight: Tensor,
    c_attn_bias: Tensor | None,
    c_proj_weight: Tensor,
    c_proj_bias: Tensor | None,
    n_head: int,
    past: KeyValues | None = None,
) -> tuple[Tensor, KeyValues]:
    """Return attention's output for T new positions, and the keys and values of the past with theirs.

    Shapes: x (B, T, C), past S positions or None → (B, T, C), S + T positions.
    """
    q, k, v = split_heads(linear_forward(x, c_attn_weight, c_attn_bias), n_head)  # (8.1)
    if past is not None:
        k, v = torch.cat([past.k, k], dim=-2), torch.cat([past.v, v], dim=-2)
    scaled = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.shape[-1])  # (8.2), (8.3)
    positions = torch.arange(k.shape[-2], device=x.device)
    future = positions > positions[-q.shape[-2] :, None]  # the queries are the last T positions
    weights = softmax_forward(scaled.masked_fill(future, -math.inf))  # (8.4), (8.5)
    out = linear_forward(merge_heads(weights @ v), c_proj_weight, c_proj_bias)  # (8.6) to (8.8)
    return out, KeyValues(k, v)
