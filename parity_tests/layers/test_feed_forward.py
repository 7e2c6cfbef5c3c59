"""The feed-forward network; with ReLU and whole numbers it is exact, gradients included."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from torch.nn import functional

from numpy_gpt.layers.feed_forward import feed_forward_backward, feed_forward_forward
from numpy_gpt.shared.model.config import ACTIVATIONS
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
    our_arrays,
    present,
)
from parity_tests.layers.test_activation import NATIVE
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import feed_forward as twin

PARTS = ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")


def layer_of(case: Case, kind: str, *, whole: bool = False) -> Layer:
    parameters = statement.inside(case.parameters(), "h.0.mlp")
    shape = (case.batch, case.time, case.config.n_embd)
    draw = case.integers if whole else case.normal
    if whole:
        parameters = {name: case.integers(name, value.shape) for name, value in parameters.items()}

    def ours(inputs, fixed, dout, record):
        out, cache = feed_forward_forward(inputs["x"], *(inputs.get(name) for name in PARTS), kind, record)
        gradients = feed_forward_backward(dout, cache, record)
        return out, present(x=gradients[0], **dict(zip(PARTS, gradients[1:], strict=True)))

    def bound(ops, inputs, fixed, dout, record):
        out, backward = statement.feed_forward(ops, inputs["x"], inputs, kind, record)
        dx, gradients = backward(dout)
        return out, present(x=dx, **gradients)

    def path(function):
        return lambda i, fixed, record: function(i["x"], *(i.get(name) for name in PARTS), kind, record)

    def native(i, fixed, record):
        hidden = NATIVE[kind](functional.linear(i["x"], i["c_fc.weight"].T, i.get("c_fc.bias")))
        return functional.linear(hidden, i["c_proj.weight"].T, i.get("c_proj.bias"))

    ways = {
        "explicit": path(twin.feed_forward_forward),
        "fused": path(twin.feed_forward_fused),
        "torch.nn.functional": native,
    }
    inputs = {"x": draw("x", shape), **parameters}
    return Layer(f"feed_forward {kind}", inputs, draw("dout", shape), ours, ways, bound, deep=True)


def nearest_to_kink(layer: Layer) -> float:
    return float(np.abs(our_arrays(layer, "float64")["hidden"]).min())


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases(layers=(1, 1)))
def test_twins_agree_within_the_bound(kind, case):
    layer = layer_of(case, kind)
    assume(kind != "relu" or nearest_to_kink(layer) > 1e-5)  # nearer, float32 may take the other side
    assert_twins_agree(layer)


@given(cases(layers=(1, 1)))
def test_twins_are_identical_for_whole_numbers(case):
    assert_twins_are_identical(layer_of(case, "relu", whole=True))


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases(layers=(1, 1)))
def test_gradients_are_differences(kind, case):
    # Small weights make gradients that are tiny compared with the output: quotients would be only rounding.
    layer = layer_of(replace(case, scale=min(max(case.scale, 0.2), 0.5)), kind)
    assume(kind != "relu" or nearest_to_kink(layer) > 1e-4)
    assert_gradients_are_differences(layer, step=1e-5 if kind == "relu" else 1e-4)
