"""A new run with a trained model's weights: what the model determines, what may be chosen, and what is recorded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt import initial_values
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint, read_checkpoint, save_checkpoint
from numpy_gpt.shared.training.initial_weights import (
    describe_weights,
    own_recipe,
    recipe_from_weights,
    weights_for,
)
from numpy_gpt.shared.training.presets import FINE_TUNING, preset
from numpy_gpt.shared.training.recipe import Origin, Recipe, stored_recipe


@pytest.fixture
def model():
    return read_checkpoint(SHIPPED_MODEL)


def _recipe(model, base=None, defaults=None, **changes):
    return recipe_from_weights(model, "place", base or own_recipe(model), changes, defaults or {})


def test_without_a_preset_the_recipe_is_the_models_own(model):
    recipe = _recipe(model, max_iters=7)
    origin = Origin(place="place", step=6000, sha256=_file_hash(SHIPPED_MODEL))
    assert recipe == replace(stored_recipe(model).override({"max_iters": 7}), init_from=origin)
    assert str(origin) == "the weights of place, after 6,000 steps"
    assert str(replace(origin, step=0)) == "the weights of place"  # GPT-2's files do not say after how many


def _file_hash(directory):
    return hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()


def test_the_recorded_hash_is_the_files(tmp_path, model):
    assert _recipe(model).init_from.sha256 == _file_hash(SHIPPED_MODEL)
    other = Checkpoint(preset("tiny16").model, model.tokenizer, initial_values(preset("tiny16").model, 3))
    save_checkpoint(tmp_path / "other", other)
    assert _recipe(other).init_from.sha256 == _file_hash(tmp_path / "other")


def test_a_preset_gives_settings_and_dataset_and_the_model_its_sizes(model):
    base = preset("shakespeare-cpu")
    recipe = _recipe(model, base)
    assert (recipe.name, recipe.dataset, recipe.training) == (base.name, base.dataset, base.training)
    assert recipe.model == model.config


def test_a_model_without_a_recipe_is_fine_tuned(model):
    bare = replace(model, recipe=None)
    recipe = _recipe(bare)
    assert (recipe.dataset, recipe.training) == ("", replace(FINE_TUNING, dtype="float64"))


def test_a_directory_is_named_after_a_preset_only(model):
    for name in ("../elsewhere", "/tmp/x", "", "mine"):
        assert own_recipe(replace(model, recipe=dict(model.recipe) | {"name": name})).name == "model"
    assert own_recipe(model).name == "tiny"


def test_a_half_precision_of_the_models_training_is_not_kept(model):
    half = own_recipe(model).override({"dtype": "bfloat16"})
    values = {name: value.astype(np.float32) for name, value in model.values.items()}
    trained = replace(model, recipe=half.to_dict(), values=values)
    assert _recipe(trained).training.dtype == "float32"
    assert _recipe(trained, defaults={"dtype": "bfloat16"}).training.dtype == "bfloat16"
    assert _recipe(trained, defaults={"dtype": "bfloat16"}, dtype="float64").training.dtype == "float64"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_embd": 12}, "n_embd must be 6, as in place, not 12: the weights determine it; leave it out"),
        ({"n_embd": "6"}, "n_embd must be 6, as in place, not '6'"),
        ({"vocab_size": 64}, "vocab_size must be 32, as in place, not 64"),
        ({"bias": True}, "bias must be False, as in place, not True"),
        ({"activation": "relu"}, "activation must be 'gelu_tanh', as in place, not 'relu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon must be 1e-05, as in place, not 1e-06"),
        ({"block_size": 9}, "block_size must be at most 8, the context of place, not 9: the positions after that were"),
        ({"block_size": "4"}, "block_size must be a whole number of at least 1, not '4'"),
        ({"n_emb": 6}, "unknown field 'n_emb'; did you mean 'n_embd'"),
        ({"max_iters": -1}, "max_iters must be at least 0"),
    ],
)
def test_what_contradicts_the_model_is_refused_by_name(model, changes, message):
    for base in (None, preset("words")):
        with pytest.raises(UserError) as error:
            _recipe(model, base, **changes)
        assert message in str(error.value)


def test_what_the_model_has_may_be_repeated(model):
    same = {"n_embd": 6, "n_head": 2, "bias": False, "vocab_size": 32, "block_size": 8}
    assert _recipe(model, **same) == _recipe(model)
    assert _recipe(model, dropout=0.5).model == replace(model.config, dropout=0.5)


def test_weights_are_cropped_and_rounded(model):
    recipe = _recipe(model, block_size=3, dtype="float32")
    values = weights_for(model, recipe)
    assert {name: value.shape for name, value in values.items()} == parameter_shapes(recipe.model)
    for name, value in model.values.items():
        kept = value[:3] if name == "wpe.weight" else value
        np.testing.assert_array_equal(values[name], kept.astype(np.float32))
        assert values[name].dtype == np.float32
        assert not np.shares_memory(values[name], value)
    assert describe_weights(model, recipe) == [
        "the run starts from the weights of place, after 6,000 steps",
        "of its 8 positions it keeps the first 3",
        "its weights are rounded from float64 to float32",
    ]


def test_weights_beyond_float32_are_refused(model):
    huge = replace(model, values=model.values | {"ln_f.weight": np.full(6, 1e300)})
    with np.errstate(over="ignore"), pytest.raises(UserError, match=r"ln_f\.weight has weights that are too large"):
        weights_for(huge, _recipe(huge, dtype="float32"))
    weights_for(huge, _recipe(huge))


def test_an_average_is_taken_and_said(model):
    averaged = replace(model, recipe=own_recipe(model).override({"ema_decay": 0.9}).to_dict())
    assert describe_weights(averaged, _recipe(averaged)) == [
        "the run starts from the weights of place, after 6,000 steps: the average (EMA) that the model predicts with, "
        "not the weights in training"
    ]


def test_a_bigram_model_sees_one_position_so_its_windows_may_grow():
    corpus = load_corpus("tiny")
    config = BigramConfig(vocab_size=32, block_size=8)
    table = Checkpoint(config, corpus.tokenizer, initial_values(config, 0))
    recipe = _recipe(table, dataset="tiny", block_size=20)
    assert recipe.model.block_size == 20
    np.testing.assert_array_equal(weights_for(table, recipe)["wte.weight"], table.values["wte.weight"])
    with pytest.raises(UserError, match="unknown field 'n_embd'"):
        _recipe(table, n_embd=3)


def test_the_origin_survives_json(model):
    recipe = _recipe(model)
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(stored) == recipe
    assert "init_from" not in preset("tiny").to_dict()
    with pytest.raises(UserError, match=r"recipe\.init_from\.step must be at least 0, not -1"):
        Recipe.from_dict(stored | {"init_from": stored["init_from"] | {"step": -1}})
