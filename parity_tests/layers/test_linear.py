"""Linear: within the bound for real numbers, bit for bit for whole ones."""

from hypothesis import given
from torch.nn import functional

from numpy_gpt.layers.linear import linear_backward, linear_forward
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
    present,
)
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import linear as twin


def layer_of(case: Case, *, whole: bool = False) -> Layer:
    draw = case.integers if whole else case.normal
    width, out_width = case.config.n_embd, case.config.vocab_size  # unequal, so that no transpose has the right shape
    lead = (case.batch, case.time)
    scale = 1 if whole else case.scale
    inputs = {"x": draw("x", (*lead, width)), "weight": scale * draw("weight", (width, out_width))}
    if case.config.bias:
        inputs["bias"] = draw("bias", (out_width,))
    return Layer(
        "linear",
        {name: value.astype("float32").astype("float64") for name, value in inputs.items()},
        draw("dout", (*lead, out_width)),
        ours,
        {
            "explicit": lambda i, fixed, record: twin.linear_forward(i["x"], i["weight"], i.get("bias")),
            "fused": lambda i, fixed, record: twin.linear_fused(i["x"], i["weight"], i.get("bias")),
            "torch.nn.functional": lambda i, fixed, record: functional.linear(i["x"], i["weight"].T, i.get("bias")),
        },
        bound,
    )


def ours(inputs, fixed, dout, record):
    out, cache = linear_forward(inputs["x"], inputs["weight"], inputs.get("bias"))
    dx, dweight, dbias = linear_backward(dout, cache)
    return out, present(x=dx, weight=dweight, bias=dbias)


def bound(ops, inputs, fixed, dout, record):
    x, weight, bias = inputs["x"], inputs["weight"], inputs.get("bias")
    dx, dweight, dbias = statement.linear_backward(ops, dout, x, weight, bias is not None)
    return ops.linear(x, weight, bias), present(x=dx, weight=dweight, bias=dbias)


@given(cases())
def test_twins_agree_within_the_bound(case):
    assert_twins_agree(layer_of(case))


@given(cases())
def test_twins_are_identical_for_whole_numbers(case):
    assert_twins_are_identical(layer_of(case, whole=True))


@given(cases())
def test_gradients_are_differences(case):
    assert_gradients_are_differences(layer_of(case))
