"""Softmax, with and without masked entries; from one entry to many, from almost uniform to almost one-hot."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given

from numpy_gpt.layers.softmax import softmax_backward, softmax_forward
from numpy_gpt.shared.model.record import ignore
from parity_tests.layers.harness import Layer, assert_gradients_are_differences, assert_twins_agree
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import softmax as twin


def layer_of(case: Case, *, masked: bool = False) -> Layer:
    shape = (case.batch, case.time, case.time if masked else case.config.vocab_size)
    x = case.normal("x", shape, scale=10 * case.scale)
    future = np.triu(np.ones(shape[-2:], bool), 1) if masked else np.zeros(shape[-2:], bool)

    def ours(inputs, fixed, dout, record):
        out, cache = softmax_forward(np.where(future, -np.inf, inputs["x"]).astype(inputs["x"].dtype), record)
        return out, {"x": softmax_backward(dout, cache)}

    def bound(ops, inputs, fixed, dout, record):
        x = ops.causal(inputs["x"]) if masked else inputs["x"]
        p = statement.softmax(ops, x, record)
        return p, {"x": ops.softmax_backward(dout, p)}

    def path(function):
        return lambda i, fixed, record: function(i["x"].masked_fill(torch.from_numpy(future), -torch.inf), record)

    ways = {
        "explicit": path(twin.softmax_forward),
        "fused": path(lambda x, record: twin.softmax_fused(x)),
        "torch.nn.functional": path(lambda x, record: torch.nn.functional.softmax(x, -1)),
    }
    return Layer("softmax", {"x": x}, case.normal("dout", shape), ours, ways, bound)


@pytest.mark.parametrize("masked", [False, True])
@given(case=cases())
def test_twins_agree_within_the_bound(masked, case):
    assert_twins_agree(layer_of(case, masked=masked))


@pytest.mark.parametrize("masked", [False, True])
@given(case=cases())
def test_gradients_are_differences(masked, case):
    # At larger scales softmax is one-hot, its gradient is almost 0, and a difference quotient is only rounding.
    assert_gradients_are_differences(layer_of(replace(case, scale=0.05 * case.scale), masked=masked))


@given(cases())
def test_rows_sum_to_one(case):
    layer = layer_of(case, masked=True)
    out, gradients = layer.ours(layer.inputs, {}, layer.dout, ignore)
    assert np.abs(out.sum(-1) - 1).max() < 1e-14
    assert np.abs(gradients["x"].sum(-1)).max() < 1e-13
    assert not gradients["x"][..., np.triu(np.ones(out.shape[-2:], bool), 1)].any()
