"""Recipes and schedules: every training setting is checked, and errors suggest a remedy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from numpy_gpt.shared.training.schedule import learning_rate_at


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"max_iters": -1}, "max_iters must be at least 0"),
        ({"learning_rate": float("inf")}, "learning_rate must be at least 0 and finite"),
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\)"),
        ({"dtype": "int8"}, "dtype must be float32 or float64 or bfloat16 or float16"),
        ({"eval_interval": 0}, "eval_interval must be at least 1"),
        ({"adam_epsilon": 0.0}, "adam_epsilon must be positive"),
        ({"adam_epsilon": 1e-46}, "adam_epsilon=1e-46 must not be 0 in float32; try 1e-8"),
        ({"learning_rate": 10**400}, r"learning_rate must be a number of at most 1\.8e\+308, the largest float"),
        ({"grad_clip": 10**5000}, "grad_clip must be a number of at most"),
        ({"warmup_iters": 10**400}, "warmup_iters must be below 2,147,483,648"),
        ({"max_iters": 10**400}, "max_iters must be below 2,147,483,648"),
        ({"eval_iters": 1 << 31}, "eval_iters must be below 2,147,483,648"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_bad_training_config_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        TrainingConfig(**changes)


def test_extreme_epsilon_and_seed_are_allowed():
    assert np.float32(TrainingConfig(adam_epsilon=1e-45, seed=10**30).adam_epsilon) > 0
    assert TrainingConfig(adam_epsilon=1e-300, dtype="float64").adam_epsilon > 0


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_recipe_round_trip(name):
    recipe = preset(name)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.name == name


def test_override():
    recipe = preset("tiny").override({"n_embd": 8, "max_iters": 5})
    assert (recipe.model.n_embd, recipe.training.max_iters) == (8, 5)
    with pytest.raises(UserError, match="unknown field 'n_emb'; did you mean 'n_embd'"):
        preset("tiny").override({"n_emb": 8})
    with pytest.raises(UserError, match="unknown preset 'tinny'; did you mean 'tiny'"):
        preset("tinny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": None}, "recipe.dataset must be text, not None"),
        ({"model": "gpt"}, "recipe.model must be an object, not 'gpt'"),
        ({"model": {"kind": "x"}}, "recipe.model: the kind of a model must be one of gpt, bigram"),
        ({"training": []}, r"recipe.training must be an object, not \[\]"),
        ({"training": {"max_iters": None}}, "recipe.training.max_iters must be a whole number, not None"),
        ({"training": {"min_lr": True}}, "recipe.training.min_lr must be a finite number or null, not True"),
        ({"training": {"seed": 1.5}}, "recipe.training.seed must be a whole number, not 1.5"),
        ({"training": {"batch_size": 0}}, "recipe.training: batch_size must be at least 1, not 0"),
        ({"training": {"max_iter": 9}}, "recipe.training has the unknown field 'max_iter'; did you mean 'max_iters'?"),
        ({"more": 1}, "recipe has the unknown field 'more'"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        Recipe.from_dict(preset("tiny").to_dict() | changes)
    with pytest.raises(UserError, match=r"recipe\.dataset is missing"):
        Recipe.from_dict({"name": "x"})


def test_learning_rate_schedule():
    numbers = {"learning_rate": 1.0, "min_lr": 0.1, "warmup_iters": 9, "lr_decay_iters": 109}
    rates = [learning_rate_at(step, **numbers) for step in range(150)]
    assert rates[:9] == pytest.approx([(step + 1) / 10 for step in range(9)])
    assert rates[9] == 1.0
    assert rates[59] == pytest.approx(0.55)
    assert rates[109:] == [0.1] * 41
    assert all(later < earlier for earlier, later in pairwise(rates[9:110]))
    assert learning_rate_at(0, learning_rate=1.0, min_lr=0.1, warmup_iters=0, lr_decay_iters=0) == 0.1
