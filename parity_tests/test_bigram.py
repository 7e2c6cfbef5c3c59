"""The bigram model: both twins agree, its gradient adds up repeated tokens, and its best table is the counted one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given

from gpt_data.errors import UserError
from numpy_gpt import BigramConfig, bigram_backward, bigram_forward, gpt_forward, initial_values, loss_of, predict
from numpy_gpt.decoding import Decoder
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.names import activation_shapes, dropout_shapes, parameter_shapes
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.tolerances import rounding
from parity_tests.layers.harness import (
    Layer,
    assert_gradients_are_differences,
    assert_twins_agree,
    assert_twins_are_identical,
    our_arrays,
)
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.lockstep import allowed_by, controls, field_of, lockstep, new_engine
from parity_tests.support.strategies import Case, bigram_cases, ignored_shares
from parity_tests.tolerances.model import bigram
from torch_gpt import bigram as twin
from torch_gpt import decoding as twin_decoding
from torch_gpt import gpt as twin_gpt
from torch_gpt import model as twin_model
from torch_gpt.engine import TorchEngine
from torch_gpt.parameters import parameters_from as twin_parameters_from

TABLE = "wte.weight"


def model_of(case: Case) -> Layer:
    """Return the whole model: from the table to the loss, and back."""
    tokens, targets, config = case.tokens(), case.targets(), case.config

    def ours(inputs, fixed, dout, record):
        loss, gradients = loss_and_gradients(parameters_from(config, inputs), tokens, targets, None, record)
        return loss, dict(gradients)

    def theirs(fused):
        return lambda inputs, fixed, record: twin_model.loss_of(inputs, config, tokens, targets, None, record, fused)

    def bound(ops, inputs, fixed, dout, record):
        return bigram(ops, inputs, tokens, targets, record)

    ways = {"explicit": theirs(False), "fused": theirs(True)}
    return Layer("bigram", {TABLE: 10 * case.parameters()[TABLE]}, np.array(1.0), ours, ways, bound)


def lookup_of(case: Case) -> Layer:
    """Return the lookup alone: from the table to the logits, and back from whole numbers."""
    tokens, size = case.tokens(), case.config.vocab_size
    ids = torch.from_numpy(tokens)

    def ours(inputs, fixed, dout, record):
        logits, cache = bigram_forward(parameters_from(case.config, inputs), tokens, record)
        return logits, dict(bigram_backward(dout, cache, record))

    ways = {
        "explicit": lambda inputs, fixed, record: twin.bigram_logits_of(inputs, ids, record),
        "fused": lambda inputs, fixed, record: twin.bigram_logits_of(inputs, ids, record, True),
    }
    inputs = {TABLE: case.integers("table", (size, size))}
    return Layer("bigram's logits", inputs, case.integers("dout", (*tokens.shape, size)), ours, ways, lambda *_: None)


@given(bigram_cases(), ignored_shares)
def test_twins_agree_within_the_bound(case, ignored):
    assert_twins_agree(model_of(replace(case, ignored=ignored)))


@given(bigram_cases(), ignored_shares)
def test_gradients_are_differences(case, ignored):
    assert_gradients_are_differences(model_of(replace(case, scale=0.1 * case.scale, ignored=ignored)))


@given(bigram_cases())
def test_whole_numbers_are_identical(case):
    assert_twins_are_identical(lookup_of(case))


@given(bigram_cases())
def test_the_gradient_sums_over_places(case):
    layer, tokens = lookup_of(case), case.tokens()
    expected = np.zeros_like(layer.inputs[TABLE])
    for place, token in np.ndenumerate(tokens):
        expected[token] += layer.dout[place]
    assert_identical("the table's gradient", our_arrays(layer, "float64")[f"gradient of {TABLE}"], expected)


@given(bigram_cases())
def test_activations_are_recorded_in_order(case):
    kept: dict = {}
    parameters = parameters_from(case.config, case.parameters())
    loss_and_gradients(parameters, case.tokens(), case.targets(), None, keep_in(kept))
    shapes = activation_shapes(case.config, case.batch, case.time)
    assert {name: kept[name].shape for name in kept if name != "dlogits"} == shapes
    assert [name for name in kept if name != "dlogits"] == list(shapes)
    assert kept["dlogits"].shape == shapes["logits"]
    assert dropout_shapes(case.config, case.batch, case.time) == {}


@given(bigram_cases())
def test_predictions_depend_on_the_last_token(case):
    values, tokens = case.parameters("float32"), case.tokens()
    parameters, tensors = parameters_from(case.config, values), twin_parameters_from(case.config, values)
    predicted = predict(parameters, tokens)
    assert np.allclose(predicted.sum(-1), 1, rtol=1e-6)
    alone = predict(parameters, np.arange(case.config.vocab_size)[:, None])[:, 0]
    assert_identical("probabilities after a text and after its last token", predicted, alone[tokens])
    model = rounding("float32")
    for fused in (False, True):
        theirs = twin_model.predict(tensors, case.config, tokens, fused=fused)
        # Formula 2 of the tolerances: n exponentials of arguments up to 2·max|z|, their sum and a division, twice.
        spread = 2 * float(np.abs(parameters[TABLE]).max())
        allowed = 2 * predicted * model.unit * (2 * spread + case.config.vocab_size + 17)
        assert_close(f"bigram's predictions ({'fused' if fused else 'explicit'})", theirs.numpy(), predicted, allowed)


def _count_pairs(text: list[int], size: int) -> tuple[np.ndarray, float]:
    """Return the pairs' counts and the conditional entropy, by counting in plain Python."""
    pairs, firsts = Counter(pairwise(text)), Counter(text[:-1])
    table = np.array([[pairs[v, w] for w in range(size)] for v in range(size)], float)
    entropy = -sum(n * math.log(n / firsts[v]) for (v, _), n in pairs.items()) / (len(text) - 1)
    return table, entropy


def test_the_counted_table_is_the_optimum():
    text = np.random.default_rng(0).choice(4, 300, p=[0.5, 0.3, 0.15, 0.05]).tolist()
    counts, entropy = _count_pairs(text, 4)
    assert counts.all()  # every pair occurs, so that every logarithm is finite
    parameters = parameters_from(BigramConfig(vocab_size=4, block_size=299), {TABLE: np.log(counts)})
    loss, gradients = loss_and_gradients(parameters, [text[:-1]], [text[1:]])
    assert math.isclose(loss, entropy, rel_tol=1e-14)
    assert np.abs(gradients.flat).max() < 1e-15
    rng = np.random.default_rng(1)
    for _ in range(20):
        moved = parameters_from(parameters.config, {TABLE: np.log(counts) + rng.normal(0, 1e-2, (4, 4))})
        assert loss_of(moved, [text[:-1]], [text[1:]]) > entropy


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fused", [False, True])
def test_the_twin_drifts_as_rounding_does(dtype, fused):
    tiny = preset("tiny").override({"dtype": dtype})
    recipe = replace(tiny, model=BigramConfig(vocab_size=32, block_size=8))
    ours, theirs = new_engine(NumpyEngine, recipe), new_engine(TorchEngine, recipe, None, "cpu", fused)
    start = ours.values()[TABLE].copy()
    run, control = lockstep(recipe, ours, [theirs, *controls(recipe, 1)], 200)
    for field in ("weight", "loss"):
        (values,), allowed = field_of([run], field), allowed_by([control], field, dtype)
        assert_close(f"bigram's {field} after a step ({'fused' if fused else 'explicit'})", values, 0 * values, allowed)
    assert np.abs(ours.values()[TABLE] - start).max() > 0.05  # it did learn, so the comparison is meaningful


CONFIG = BigramConfig(vocab_size=5, block_size=3)
ONLY_A_GPT = "the model must be a GPT, but this one is a bigram model, which has no layers; choose another one"


def _both():
    values = initial_values(CONFIG, 0)
    return parameters_from(CONFIG, values), twin_parameters_from(CONFIG, values)


def test_a_bigram_model_has_no_layers():
    ours, theirs = _both()
    for ask in (
        lambda: gpt_forward(ours, [[1]]),
        lambda: Decoder(ours),
        lambda: ours.head,
        lambda: ours.blocks,
        lambda: twin_gpt.gpt_forward(theirs, CONFIG, [[1]]),
        lambda: twin_decoding.Decoder(theirs, CONFIG),
    ):
        with pytest.raises(UserError) as refusal:
            ask()
        assert str(refusal.value) == ONLY_A_GPT


@pytest.mark.parametrize(
    ("tokens", "masks", "message"),
    [
        ([[5]], None, r"must lie in \[0, 5\)"),
        ([[-1]], None, "is -1"),
        ([[0, 1, 2, 3]], None, "4 tokens do not fit into block_size=3"),
        ([[0.5]], None, "must be integers"),
        ([[1]], {"embedding.dropout": np.ones((1, 1, 5), np.float32)}, "unknown dropout mask 'embedding.dropout'"),
    ],
)
def test_bad_tokens_and_masks_are_refused(tokens, masks, message):
    ours, theirs = _both()
    with pytest.raises(UserError, match=message):
        loss_and_gradients(ours, tokens, tokens, masks)
    with pytest.raises(UserError, match=message):
        twin_model.loss_and_gradients(theirs, CONFIG, tokens, tokens, masks)


def test_the_table_is_one_decayed_matrix():
    ours, _ = _both()
    assert parameter_shapes(CONFIG) == {TABLE: (5, 5)}
    assert ours.decayed.size == ours.flat.size == 25
    assert 0 < np.abs(ours.flat).max() < 0.1
