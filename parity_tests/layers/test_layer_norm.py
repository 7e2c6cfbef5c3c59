"""Layer norm, also far from zero, where a one-pass variance would cancel."""

import pytest
from hypothesis import assume, given
from torch.nn import functional

from numpy_gpt.layers.layer_norm import layer_norm_backward, layer_norm_forward
from parity_tests.layers.harness import Layer, assert_gradients_are_differences, assert_twins_agree, present
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import layer_norm as twin


def layer_of(case: Case, offset: float = 0.0, *, fused: bool = True) -> Layer:
    width, epsilon = case.config.n_embd, case.config.layer_norm_epsilon
    shape = (case.batch, case.time, width)
    inputs = {
        "x": case.normal("x", shape) * (1 if offset else case.scale) + offset,
        "weight": 1 + case.normal("weight", (width,)) * case.scale,
    }
    if case.config.bias:
        inputs["bias"] = case.normal("bias", (width,))

    def ours(inputs, fixed, dout, record):
        out, cache = layer_norm_forward(inputs["x"], inputs["weight"], inputs.get("bias"), epsilon, record)
        dx, dweight, dbias = layer_norm_backward(dout, cache, record)
        return out, present(x=dx, weight=dweight, bias=dbias)

    def bound(ops, inputs, fixed, dout, record):
        x, weight, bias = inputs["x"], inputs["weight"], inputs.get("bias")
        out, norm = statement.layer_norm(ops, x, weight, bias, epsilon, record, kernel=fused)
        dx, dweight, dbias = statement.layer_norm_backward(ops, dout, norm, record)
        return out, present(x=dx, weight=dweight, bias=dbias)

    def native(inputs, fixed, record):
        return functional.layer_norm(inputs["x"], (width,), inputs["weight"], inputs.get("bias"), epsilon)

    def path(function):
        return lambda i, fixed, record: function(i["x"], i["weight"], i.get("bias"), epsilon, record)

    ways = {"explicit": path(twin.layer_norm_forward)}
    if fused:
        ways |= {"fused": path(twin.layer_norm_fused), "torch.nn.functional": native}
    rounded = {name: value.astype("float32").astype("float64") for name, value in inputs.items()}
    return Layer("layer_norm", rounded, case.normal("dout", shape), ours, ways, bound)


@given(cases())
def test_twins_agree_within_the_bound(case):
    assert_twins_agree(layer_of(case))


@pytest.mark.parametrize("offset", [-30.0, 1e3, 1e6])
@given(case=cases())
def test_twins_agree_far_from_zero(offset, case):
    # Only the written-out forms: torch's kernel cancels terms of size μ/σ, and its bound would hide too much here.
    assert_twins_agree(layer_of(case, offset, fused=False))


@given(cases())
def test_gradients_are_differences(case):
    layer = layer_of(case)
    spread = layer.inputs["x"].std(-1)
    assume(case.config.n_embd == 1 or spread.min() > 0.1)  # where the norm is almost singular, so are its differences
    assume(case.config.n_embd != 2)  # two channels always become ±1: the gradient is almost 0
    assert_gradients_are_differences(layer)
