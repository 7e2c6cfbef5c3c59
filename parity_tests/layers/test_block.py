"""The block: both residual streams, every parameter, all masks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given

from numpy_gpt.layers.block import block_backward, block_forward
from numpy_gpt.shared.model.config import ACTIVATIONS
from numpy_gpt.shared.model.record import unflattened
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    our_arrays,
    present,
)
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers.block import block_forward as twin


def layer_of(case: Case) -> Layer:
    config = case.config
    shape = (case.batch, case.time, config.n_embd)
    masks = statement.inside(case.masks("float32"), "h.0")

    def ours(inputs, fixed, dout, record):
        rows, apart = (-1, config.n_embd), unflattened(record, case.batch, case.time)
        out, cache = block_forward(inputs["x"].reshape(rows), inputs, config, case.batch, fixed, apart)
        dx, gradients = block_backward(dout.reshape(rows), cache, apart)
        return out.reshape(shape), present(x=dx.reshape(shape), **gradients)

    def bound(ops, inputs, fixed, dout, record):
        out, backward = statement.block(ops, inputs["x"], inputs, config, fixed, record)
        dx, gradients = backward(dout)
        return out, present(x=dx, **gradients)

    ways = {
        "explicit": lambda i, fixed, record: twin(i["x"], i, config, fixed, record),
        "fused": lambda i, fixed, record: twin(i["x"], i, config, fixed, record, True),
    }
    inputs = {"x": case.normal("x", shape), **statement.inside(case.parameters(), "h.0")}
    fixed = {name: mask.astype("float64") for name, mask in masks.items()}
    return Layer(f"block {config.activation}", inputs, case.normal("dout", shape), ours, ways, bound, fixed, deep=True)


def away_from_kink(layer: Layer, distance: float) -> bool:
    return "relu" not in layer.name or np.abs(our_arrays(layer, "float64")["mlp.hidden"]).min() > distance


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases(layers=(1, 1)))
def test_twins_agree_within_the_bound(kind, case):
    layer = layer_of(replace(case, config=replace(case.config, activation=kind)))
    assume(away_from_kink(layer, 1e-4))
    assert_twins_agree(layer)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(case=cases(layers=(1, 1)))
def test_gradients_are_differences(kind, case):
    # One channel is normalized to 0, two to ±1, and at a small scale the sublayers add little: there gradients are tiny
    # compared with the output, and difference quotients are only rounding.
    assume(case.config.n_embd >= 3)
    case = replace(case, config=replace(case.config, activation=kind), scale=min(max(case.scale, 0.1), 0.3))
    layer = layer_of(case)
    assume(away_from_kink(layer, 1e-4))
    assume(layer.inputs["x"].std(-1).min() > 0.1)
    assert_gradients_are_differences(layer, step=1e-5 if kind == "relu" else 1e-4)


@given(cases(layers=(1, 1)))
def test_without_projections_only_the_streams_remain(case):
    layer = layer_of(case)
    silent = {name: value * (0 if "c_proj" in name else 1) for name, value in layer.inputs.items()}
    arrays = our_arrays(replace(layer, inputs=silent), "float64")
    assert np.array_equal(arrays["output"], layer.inputs["x"])
    assert np.array_equal(arrays["gradient of x"], layer.dout)
