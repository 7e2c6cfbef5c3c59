"""Dropout by a given mask is one product per entry: bit for bit, for any numbers."""

from dataclasses import replace

import pytest
from hypothesis import given

from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
)
from parity_tests.support.strategies import Case, cases
from torch_gpt.layers import dropout as twin

RATES = (0.1, 0.2, 0.5, 0.9)


def layer_of(case: Case, rate: float) -> Layer:
    case = replace(case, config=replace(case.config, dropout=rate))
    mask = case.masks("float32")["embedding.dropout"].astype("float64")
    return Layer(
        "dropout",
        {"x": case.normal("x", mask.shape)},
        case.normal("dout", mask.shape),
        ours,
        {"explicit": lambda i, fixed, record: twin.dropout_forward(i["x"], fixed["mask"])},
        bound,
        {"mask": mask},
    )


def ours(inputs, fixed, dout, record):
    out, mask = dropout_forward(inputs["x"], fixed["mask"])
    return out, {"x": dropout_backward(dout, mask)}


def bound(ops, inputs, fixed, dout, record):
    return ops.multiply(inputs["x"], fixed["mask"]), {"x": ops.multiply(dout, fixed["mask"])}


@pytest.mark.parametrize("rate", RATES)
@given(case=cases())
def test_twins_are_identical(rate, case):
    assert_twins_are_identical(layer_of(case, rate))


@pytest.mark.parametrize("rate", RATES)
@given(case=cases())
def test_twins_agree_and_gradients_are_differences(rate, case):
    assert_twins_agree(layer_of(case, rate))
    assert_gradients_are_differences(layer_of(case, rate))
