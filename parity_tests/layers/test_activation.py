"""The three activations over small, ordinary and large inputs, tails included."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from numpy_gpt.layers.activation import activation_backward, activation_forward
from numpy_gpt.shared.model.config import ACTIVATIONS
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
)
from parity_tests.support.strategies import Case, cases
from torch_gpt.layers import activation as twin

NATIVE = {
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_erf": functional.gelu,
    "relu": functional.relu,
}


def layer_of(case: Case, kind: str, *, whole: bool = False) -> Layer:
    shape = (case.batch, case.time, case.config.n_hidden)
    x = case.integers("x", shape) if whole else case.normal("x", shape, scale=case.scale)

    def ours(inputs, fixed, dout, record):
        out, cache = activation_forward(inputs["x"], kind, record)
        return out, {"x": activation_backward(dout, cache)}

    def bound(ops, inputs, fixed, dout, record):
        parts = ops.activation(inputs["x"], kind)
        for name, value in parts.inner.items():
            record(name, value)
        return parts.out, {"x": ops.activation_backward(dout, inputs["x"], kind)}

    ways = {
        "explicit": lambda i, fixed, record: twin.activation_forward(i["x"], kind, record),
        "fused": lambda i, fixed, record: twin.activation_fused(i["x"], kind),
        "torch.nn.functional": lambda i, fixed, record: NATIVE[kind](i["x"]),
    }
    dout = case.integers("dout", shape) if whole else case.normal("dout", shape)
    return Layer(f"activation {kind}", {"x": x}, dout, ours, ways, bound)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases(), magnitude=st.sampled_from((1e-4, 1.0, 10.0)))
def test_twins_agree_within_the_bound(kind, case, magnitude):
    assert_twins_agree(layer_of(replace(case, scale=case.scale * magnitude), kind))


@given(cases())
def test_relu_is_identical_at_zero_too(case):
    assert_twins_are_identical(layer_of(case, "relu", whole=True))


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases())
def test_gradients_are_differences(kind, case):
    layer = layer_of(case, kind)
    if kind == "relu":  # at its kink there is no difference quotient: keep 0.01 away
        x = layer.inputs["x"]
        layer = replace(layer, inputs={"x": x + 0.01 * np.where(x < 0, -1, 1)})
    assert_gradients_are_differences(layer)
