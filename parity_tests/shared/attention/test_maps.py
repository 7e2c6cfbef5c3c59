"""The maps are the very weights of the forward pass, in both twins."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.tokens.word_tokenizer import WordTokenizer
from gpt_data.wording import make_visible
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.maps import record_maps
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.tolerances.rounding import rounding
from parity_tests.support.comparator import assert_identical
from torch_gpt.engine import TorchEngine

TOKENIZER = WordTokenizer(tuple("abcdefghijklmnopqrstuvwxyz12345 "))
TEXT = "a b a b"


def _engine(kind, dtype="float32", **changes):
    recipe = preset("tiny").override({"dtype": dtype, **changes})
    values = {name: 20 * value for name, value in initial_values(recipe.model, 7, dtype).items()}  # uneven attention
    return NumpyEngine(recipe, values) if kind == "numpy" else TorchEngine(recipe, values, None, "cpu", kind == "fused")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["numpy", "torch", "fused"])
def test_maps_are_the_recorded_weights(kind, dtype):
    engine, tokens = _engine(kind, dtype, n_layer=3), TOKENIZER.encode(TEXT)
    kept: dict = {}
    engine.predict(tokens[None], keep_in(kept))
    maps = record_maps(engine, TOKENIZER, tokens, model="a model")
    assert (maps.text, maps.words) == (TEXT, ("a", "␣", "b", "␣", "a", "␣", "b"))
    assert (maps.layers, maps.heads) == ((0, 1, 2), (0, 1))
    for layer in range(3):
        assert_identical("weights", maps.weights[layer], kept[f"h.{layer}.attn.weights"][0])
    one = record_maps(engine, TOKENIZER, tokens, model="a model", layer=2, head=1)
    assert (one.layers, one.heads) == ((2,), (1,))
    assert_identical("weights", one.weights, maps.weights[2:, 1:])


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_rows_add_up_to_1_and_the_future_gets_nothing(kind):
    maps = record_maps(_engine(kind), TOKENIZER, TOKENIZER.encode(TEXT), model="a model")
    time = len(maps.words)
    assert not np.triu(maps.weights, 1).any()
    sums = maps.weights.sum(axis=-1, dtype=np.float64)
    # Each weight is an exponential over their sum: T - 1 additions, a division or two roundings of it, T of them added.
    assert np.abs(sums - 1).max() <= rounding(np.float32).gamma(time + 2)
    assert maps.weights.max() > 0.9  # so that the test would notice weights that are all alike


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (lambda: _engine("numpy", n_layer=0), "this model has no layers, so no attention to show"),
        (lambda: _engine("numpy", block_size=4), "7 tokens do not fit into block_size=4"),
    ],
)
def test_models_without_maps(engine, message):
    with pytest.raises(UserError, match=message):
        record_maps(engine(), TOKENIZER, TOKENIZER.encode(TEXT), model="a model")


def test_a_bigram_model_has_no_attention():
    recipe = preset("bigram").override({})
    engine = NumpyEngine(recipe, initial_values(recipe.model, 0, "float32"))
    assert isinstance(recipe.model, BigramConfig)
    with pytest.raises(UserError, match="a bigram model has no attention"):
        record_maps(engine, TOKENIZER, TOKENIZER.encode(TEXT), model="a model")


def test_weights_that_are_not_finite_are_refused():
    engine = _engine("numpy")
    engine.values()["wte.weight"][:] = np.inf
    with pytest.raises(UserError, match="the attention weights must be finite"), np.errstate(all="ignore"):
        record_maps(engine, TOKENIZER, TOKENIZER.encode(TEXT), model="a model")


def test_no_token_is_invisible():
    shown = [make_visible(token) for token in (" ", "\n", "\t", "\u0301", "\u202e", "\x1b", "a", "運", "it's")]
    assert shown == ["␣", "␤", "␉", "◌\u0301", "\\u202e", "\\x1b", "a", "運", "it's"]
