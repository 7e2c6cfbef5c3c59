"""Attention: every array within the bound, linear pieces bit for bit, and the future without influence."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from numpy_gpt.layers.attention import attention_backward, attention_forward
from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.layers.harness import (
    DTYPES,
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
    our_arrays,
    present,
    their_arrays,
    tolerances_of,
)
from parity_tests.support.comparator import assert_close
from parity_tests.support.strategies import Case, cases, seeds
from parity_tests.tolerances import statement
from torch_gpt.layers import attention as twin

PARTS = ("c_attn.weight", "c_attn.bias", "c_proj.weight", "c_proj.bias")


def layer_of(case: Case, *, whole: bool = False) -> Layer:
    draw, parameters = case.integers if whole else case.normal, statement.inside(case.parameters(), "h.0.attn")
    shape = (case.batch, case.time, case.config.n_embd)
    if whole:
        parameters = {name: case.integers(name, value.shape) for name, value in parameters.items()}
    masks = case.masks("float32")
    fixed = {"mask": masks["h.0.attn.weights_dropout"].astype("float64")} if masks else {}
    return made_of(case.config.n_head, {"x": draw("x", shape), **parameters}, draw("dout", shape), fixed)


def made_of(n_head: int, inputs, dout, fixed) -> Layer:
    def ours(inputs, fixed, dout, record):
        parameters = (inputs.get(name) for name in PARTS)
        out, cache = attention_forward(inputs["x"], *parameters, n_head, fixed.get("mask"), record)
        gradients = attention_backward(dout, cache, record)
        return out, present(x=gradients[0], **dict(zip(PARTS, gradients[1:], strict=True)))

    def bound(ops, inputs, fixed, dout, record):
        out, backward = statement.attention(ops, inputs["x"], inputs, n_head, fixed.get("mask"), record)
        dx, gradients = backward(dout)
        return out, present(x=dx, **gradients)

    def path(function):
        return lambda i, fixed, record: function(
            i["x"], *(i.get(name) for name in PARTS), n_head, fixed.get("mask"), record
        )

    ways = {"explicit": path(twin.attention_forward), "fused": path(twin.attention_fused)}
    if not fixed:
        ways["torch.nn.functional"] = lambda i, fixed, record: native(i, n_head)
    return Layer("attention", inputs, dout, ours, ways, bound, fixed, deep=True)


def native(i, n_head):
    """Return torch's own multi-head attention, which stores (out, in), wants (T, B, C), and returns its weights."""
    time, width = i["x"].shape[1:]
    bias = i.get("c_attn.bias")
    x = i["x"].transpose(0, 1)
    out, _ = functional.multi_head_attention_forward(
        x, x, x, width, n_head, i["c_attn.weight"].T, bias, None, None, False, 0.0, i["c_proj.weight"].T,
        i.get("c_proj.bias"), attn_mask=torch.ones(time, time, dtype=torch.bool).triu(1), need_weights=True,
    )  # fmt: skip
    return out.transpose(0, 1)


@given(cases(layers=(1, 1)))
def test_twins_agree_within_the_bound(case):
    assert_twins_agree(layer_of(case))


@given(cases(layers=(1, 1)))
def test_gradients_are_differences(case):
    assert_gradients_are_differences(layer_of(replace(case, scale=min(case.scale, 0.5))))


@given(cases(layers=(1, 1)))
def test_whole_numbers_are_identical(case):
    assert_twins_are_identical(layer_of(case, whole=True), {"q", "k", "v", "scores", "dmerged", "dheads", "dweights"})


@given(seeds, st.sampled_from((1, 2, 3)), st.sampled_from((1, 2, 3, 4)), st.sampled_from((2, 3, 4)))
def test_weights_of_one_half_are_identical(seed, batch, n_head, time):
    """Compare all arrays and gradients bit for bit.

    Position t has a one-hot x, so that row t of c_attn *is* its q, k and v. The keys of positions 0 and 1 differ only
    in a channel where every q is 0, and all later scores are lower by thousands: weights are 1 or ½, ½, 0 …, and 1/√D
    is ½, so that every number, including softmax and its gradient, is a whole number over a power of 2.
    """
    size = 4
    width = n_head * size
    config = GPTConfig(vocab_size=1, block_size=time, n_layer=1, n_head=n_head, n_embd=width)
    case = Case(config, batch, time, seed, 1.0)
    q, k, v = (case.integers(name, (width, n_head, size)) for name in "qkv")
    q[..., 0], q[..., 3] = np.abs(q[..., 0]) + 1, 0
    k[1, :, :3] = k[0, :, :3]
    k[2:, :, 0] = -(2.0**14)
    weight = np.concatenate([part.reshape(width, width) for part in (q, k, v)], 1)
    x = np.zeros((batch, time, width)) + np.eye(time, width)
    inputs = {"x": x, "c_attn.weight": weight, "c_proj.weight": case.integers("proj", (width, width))}
    layer = made_of(n_head, inputs, case.integers("dout", x.shape), {})
    weights = our_arrays(layer, "float64")["weights"]
    assert set(np.unique(weights)) <= {0.0, 0.5, 1.0}
    names = our_arrays(layer, "float64").keys() - {"softmax.exponentials", "softmax.sum"}
    # Fused attention keeps log-sum-exp instead of the weights: log 2 is not exact. float32 has too few bits here.
    assert_twins_are_identical(layer, set(names), ("explicit",), ("float64",))


@given(cases(layers=(1, 1)))
def test_the_future_does_not_change_the_past(case):
    layer = layer_of(case)
    changed = layer.inputs["x"].copy()
    changed[:, -1] += 1
    before, after = (
        our_arrays(replace(layer, inputs={**layer.inputs, "x": x}), "float64") for x in (layer.inputs["x"], changed)
    )
    for name in ("output", "heads", "weights"):
        past = np.s_[:, :-1] if name == "output" else np.s_[:, :, :-1]
        assert np.array_equal(before[name][past], after[name][past]), name


@given(cases(layers=(1, 1)))
def test_the_key_bias_has_no_gradient(case):
    layer = layer_of(replace(case, config=replace(case.config, bias=True)))
    keys, tolerances_in, name = slice(case.config.n_embd, 2 * case.config.n_embd), tolerances_of(layer), "c_attn.bias"
    for dtype in DTYPES:  # softmax ignores what all keys of a query share, so only rounding is left
        tolerance = tolerances_in(dtype)[f"gradient of {name}"][keys]
        for source in (our_arrays(layer, dtype), *(their_arrays(layer, way, dtype) for way in layer.theirs)):
            dbias = source[f"gradient of {name}"][keys]
            assert_close(f"attention, gradient of the keys' bias, which is 0 ({dtype})", dbias, 0 * dbias, tolerance)
