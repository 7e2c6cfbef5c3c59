"""Targets that do not count, through whole models; with all other arrays they are in ``test_whole_model``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt import BigramConfig, Parameters, check_gradients, loss_and_gradients, loss_of, parameters_from
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.model.token_checks import check_targets
from parity_tests.support.comparator import assert_identical
from parity_tests.support.strategies import bigram_cases, cases
from torch_gpt import model as twin
from torch_gpt.parameters import parameters_from as twin_parameters_from

MODELS = st.one_of(cases(layers=(0, 2), dropout=False), bigram_cases()).map(lambda case: replace(case, ignored=0.5))


@given(MODELS)
def test_both_marks_are_one(case):
    tokens, targets = case.tokens(), case.targets()
    other = np.where(targets < 0, -1, targets).astype(np.int16)  # nanoGPT's
    parameters = parameters_from(case.config, case.parameters())
    (loss, gradients), (again, others) = (loss_and_gradients(parameters, tokens, each) for each in (targets, other))
    assert loss == again == loss_of(parameters, tokens, other)
    assert_identical("gradients", gradients.flat, others.flat)
    tensors = twin_parameters_from(case.config, case.parameters())
    for fused in (False, True):
        one, two = (
            twin.loss_and_gradients(tensors, case.config, tokens, each, fused=fused) for each in (targets, other)
        )
        assert one[0] == two[0]
        for name, gradient in one[1].items():
            assert_identical(name, gradient.numpy(), two[1][name].numpy())


@given(MODELS)
def test_ignored_positions_have_no_gradient(case):
    kept: dict = {}
    parameters, targets = parameters_from(case.config, case.parameters()), case.targets()
    loss_and_gradients(parameters, case.tokens(), targets, record=keep_in(kept))
    assert not kept["dlogits"][targets < 0].any()
    assert not kept["losses"][targets < 0].any()


@given(MODELS)
def test_gradients_are_differences(case):
    parameters, tokens, targets = parameters_from(case.config, case.parameters()), case.tokens(), case.targets()
    _, gradients = loss_and_gradients(parameters, tokens, targets)

    def loss(inputs):
        return loss_of(Parameters(case.config, inputs["flat"]), tokens, targets)

    if np.abs(gradients.flat).max() > 1e-6:  # otherwise, as with one token in the vocabulary, all is rounding
        check_gradients(loss, {"flat": parameters.flat}, {"flat": gradients.flat}, tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint64"])
def test_targets_keep_their_values_in_any_integer_type(dtype):
    config, tokens = BigramConfig(vocab_size=5, block_size=3), np.zeros((1, 3), np.intp)
    assert check_targets(np.array([[4, 0, 2]], dtype), tokens, config).tolist() == [[4, 0, 2]]
    if dtype.startswith("int"):
        assert check_targets(np.array([[-1, 3, -100]], dtype), tokens, config).tolist() == [[-100, 3, -100]]
