"""Embedding: sums over repeated tokens, and exactly zero for unused tokens and positions."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given

from numpy_gpt.layers.embedding import embedding_backward, embedding_forward
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
    our_arrays,
)
from parity_tests.support.strategies import Case, cases
from parity_tests.tolerances import statement
from torch_gpt.layers import embedding as twin


def layer_of(case: Case, *, whole: bool = False) -> Layer:
    draw, tokens, shapes = case.integers if whole else case.normal, case.tokens(), parameter_shapes(case.config)
    ids = torch.from_numpy(tokens)

    def ours(inputs, fixed, dout, record):
        out, cache = embedding_forward(tokens, inputs["wte"], inputs["wpe"], record)
        dwte, dwpe = embedding_backward(dout, cache, record)
        return out, {"wte": dwte, "wpe": dwpe}

    def bound(ops, inputs, fixed, dout, record):
        out = statement.embedding(ops, tokens, inputs["wte"], inputs["wpe"], record)
        dwte, dwpe = statement.embedding_backward(ops, dout, tokens, inputs["wte"], inputs["wpe"], record)
        return out, {"wte": dwte, "wpe": dwpe}

    return Layer(
        "embedding",
        {name: draw(name, shapes[f"{name}.weight"]) for name in ("wte", "wpe")},
        draw("dout", (*tokens.shape, case.config.n_embd)),
        ours,
        {
            "explicit": lambda i, fixed, record: twin.embedding_forward(ids, i["wte"], i["wpe"], record),
            "fused": lambda i, fixed, record: twin.embedding_fused(ids, i["wte"], i["wpe"], record),
        },
        bound,
    )


@given(cases())
def test_twins_agree_within_the_bound(case):
    assert_twins_agree(layer_of(case))


@given(cases())
def test_twins_are_identical_for_whole_numbers(case):
    assert_twins_are_identical(layer_of(case, whole=True))


@given(cases())
def test_gradients_are_differences(case):
    assert_gradients_are_differences(layer_of(case))


@given(cases())
def test_unused_rows_have_zero_gradient(case):
    case = replace(case, config=replace(case.config, vocab_size=case.config.vocab_size + 1))
    arrays, tokens = our_arrays(layer_of(case), "float64"), case.tokens()
    unused = np.setdiff1d(np.arange(case.config.vocab_size), tokens)
    assert not arrays["gradient of wte"][unused].any()
    assert not arrays["gradient of wpe"][case.time :].any()
