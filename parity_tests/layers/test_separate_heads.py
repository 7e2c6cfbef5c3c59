"""Attention with all heads in one product is the same function as one small attention per head, in both twins."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from hypothesis import given

from numpy_gpt.layers.separate_heads import separate_heads_backward, separate_heads_forward
from numpy_gpt.shared.model.record import ignore
from parity_tests.layers.harness import (
    DTYPES,
    EXPLICIT,
    assert_gradients_are_differences,
    assert_twins_agree,
    our_arrays,
    present,
    tolerances_of,
)
from parity_tests.layers.test_attention import PARTS, layer_of
from parity_tests.support.comparator import assert_close
from parity_tests.support.strategies import cases

APART = "separate heads"


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


def our_separate_heads(n_head):
    def ours(inputs, fixed, dout, record):
        parameters = (inputs.get(name) for name in PARTS)
        out, cache = separate_heads_forward(inputs["x"], *parameters, n_head, fixed.get("mask"))
        gradients = separate_heads_backward(dout, cache)
        return out, present(x=gradients[0], **dict(zip(PARTS, gradients[1:], strict=True)))

    return ours


def with_their_separate_heads(layer, case):
    apart = {APART: lambda i, fixed, record: separate_heads(i, fixed.get("mask"), case.config.n_head)}
    return replace(layer, theirs={**layer.theirs, **apart})


def layer_with_separate_heads(case):
    """Return attention with separate heads in numpy_gpt, in torch with both forms; nothing is recorded."""
    layer = with_their_separate_heads(layer_of(case), case)

    def bound(ops, inputs, fixed, dout, record):
        return layer.bound(ops, inputs, fixed, dout, ignore)

    return replace(
        layer,
        name="separate heads",
        ours=our_separate_heads(case.config.n_head),
        theirs={way: layer.theirs[way] for way in (EXPLICIT, APART)},
        bound=bound,
    )


@given(cases(layers=(1, 1)))
def test_separate_heads_are_the_same_function(case):
    assert_twins_agree(with_their_separate_heads(layer_of(case), case))


@given(cases(layers=(1, 1)))
def test_our_separate_heads_are_the_same_function(case):
    assert_twins_agree(layer_with_separate_heads(case))


@given(cases(layers=(1, 1)))
def test_separate_heads_are_all_heads_at_once(case):
    apart, at_once = layer_with_separate_heads(case), layer_of(case)
    tolerances_in = tolerances_of(apart)
    for dtype in DTYPES:
        actual, expected = our_arrays(apart, dtype), our_arrays(at_once, dtype)
        assert actual.keys() == tolerances_in(dtype).keys() == {"output", *map("gradient of {}".format, apart.inputs)}
        for name, tolerance in tolerances_in(dtype).items():
            assert_close(f"separate heads, {name} ({dtype})", actual[name], expected[name], tolerance)


@given(cases(layers=(1, 1)))
def test_gradients_are_differences(case):
    assert_gradients_are_differences(layer_with_separate_heads(replace(case, scale=min(case.scale, 0.5))))
