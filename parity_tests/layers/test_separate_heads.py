"""Attention with all heads in one product is the same function as one small attention per head."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from hypothesis import given

from parity_tests.layers.harness import assert_twins_agree
from parity_tests.layers.test_attention import layer_of
from parity_tests.support.strategies import cases


def one_head(x, w_q, w_k, w_v, biases, mask):
    """Return a head's result (B, T, D) from its own three matrices (C, D), as in the textbook."""
    q, k, v = (x @ w + b for w, b in zip((w_q, w_k, w_v), biases, strict=True))
    scores = q @ k.transpose(1, 2) / math.sqrt(w_q.shape[1])
    future = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
    weights = torch.softmax(scores.masked_fill(future, -math.inf), dim=-1)
    return (weights if mask is None else weights * mask) @ v


def separate_heads(inputs, masks, n_head):
    """Return the heads' results, each multiplied with its own rows of c_proj, summed: nothing is concatenated."""
    x, c_attn, c_proj = inputs["x"], inputs["c_attn.weight"], inputs["c_proj.weight"]
    width = x.shape[-1]
    size = width // n_head
    bias = inputs.get("c_attn.bias", torch.zeros(3 * width, dtype=x.dtype))
    total = inputs.get("c_proj.bias", torch.zeros(width, dtype=x.dtype))
    for head in range(n_head):
        columns = [slice(part * width + head * size, part * width + (head + 1) * size) for part in range(3)]
        mask = None if masks is None else masks[:, head]
        result = one_head(x, *(c_attn[:, part] for part in columns), [bias[part] for part in columns], mask)
        total = total + result @ c_proj[head * size : (head + 1) * size]
    return total


@given(cases(layers=(1, 1)))
def test_separate_heads_are_the_same_function(case):
    layer = layer_of(case)
    apart = {"separate heads": lambda i, fixed, record: separate_heads(i, fixed.get("mask"), case.config.n_head)}
    assert_twins_agree(replace(layer, theirs={**layer.theirs, **apart}))
