"""RMSNorm, also far from zero, and in rows so small that epsilon is most of what is under the root."""

import numpy as np
import pytest
from hypothesis import assume, given
from torch.nn import functional

from numpy_gpt.layers.rms_norm import rms_norm_backward, rms_norm_forward
from parity_tests.layers.harness import Layer, assert_gradients_are_differences, assert_twins_agree
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import rms_norm as twin


def layer_of(case: Case, factor: float = 1.0, offset: float = 0.0) -> Layer:
    epsilon, shape = case.config.layer_norm_epsilon, (case.batch, case.time, case.config.n_embd)
    x = (factor * case.normal("x", shape) + offset).astype("float32").astype("float64")

    def ours(inputs, fixed, dout, record):
        out, cache = rms_norm_forward(inputs["x"], epsilon, record)
        return out, {"x": rms_norm_backward(dout, cache, record)}

    def bound(ops, inputs, fixed, dout, record):
        out, norm = statement.rms_norm(ops, inputs["x"], epsilon, record)
        return out, {"x": statement.rms_norm_backward(ops, dout, norm, record)}

    ways = {
        "explicit": lambda i, fixed, record: twin.rms_norm_forward(i["x"], epsilon, record),
        "fused": lambda i, fixed, record: twin.rms_norm_fused(i["x"], epsilon, record),
        "torch.nn.functional": lambda i, fixed, record: functional.rms_norm(i["x"], shape[-1:], eps=epsilon),
    }
    return Layer("rms_norm", {"x": x}, case.normal("dout", shape), ours, ways, bound)


@given(cases())
def test_twins_agree_within_the_bound(case):
    assert_twins_agree(layer_of(case, case.scale))


@pytest.mark.parametrize(("factor", "offset"), [(1.0, -30.0), (1.0, 1e6), (1e-3, 0.0), (1e-12, 0.0)])
@given(case=cases())
def test_twins_agree_far_from_one(factor, offset, case):
    assert_twins_agree(layer_of(case, factor, offset))


@given(cases())
def test_gradients_are_differences(case):
    layer = layer_of(case)
    assume(case.config.n_embd > 1)  # one channel always becomes ±1: the gradient is almost 0
    assume(np.square(layer.inputs["x"]).mean(-1).min() > 0.01)
    assert_gradients_are_differences(layer)


def test_only_the_length_of_a_row_is_lost():
    x = np.array([[3.0, -4.0], [30.0, -40.0], [0.0, 0.0]])
    y, _ = rms_norm_forward(x, 1e-300)
    np.testing.assert_allclose(y, [[0.6 * 2**0.5, -0.8 * 2**0.5]] * 2 + [[0.0, 0.0]], rtol=1e-15)
