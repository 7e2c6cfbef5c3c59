"""The model of a pack by its name: a preset, a run, another program's model; by default the one that shows most."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.wording import show_path
from numpy_gpt.golden.pack.case import LOUD, Case, case_of, default_case
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

_BATCH, _TIME = 2, 16
"""The shape of the batches of a chosen model; the time is less if the model sees less."""


def case_named(model: str | None, steps: int, seed: int) -> tuple[Case, str]:
    """Return the case of a model, and what the model is called.

    The names of the packs that ship are those of the models that show mistakes. A preset has its initial values of this
    seed; a run or another program's model has its own values. The optimizer's numbers are those of the preset or of
    the run's recipe. A path goes before a name.

    Raises
    ------
    UserError
        If there is no such model, or it is a bigram model.
    """
    if model is None:
        model, is_path = "gpt2", False
    else:
        is_path = os.path.lexists(model)
    if model in LOUD and not is_path:
        return default_case(steps, seed, model), f"{model}, which shows mistakes"
    if model in PRESETS and not is_path:
        recipe = preset(model)
        config = _gpt(recipe.model, model)
        return _case(
            config, initial_values(config, seed), recipe.training, steps, seed
        ), f"the preset {model}, untrained"
    from numpy_gpt.shared.cli.model_choice import load_model, name_model  # start-up time matters

    place = to_path(model)
    checkpoint = load_model(place)
    config = _gpt(checkpoint.config, show_path(place))
    training = TrainingConfig() if checkpoint.recipe is None else Recipe.from_dict(checkpoint.recipe).training
    return _case(config, checkpoint.values, training, steps, seed), name_model(place)


def _case(config: GPTConfig, values: Mapping[str, Array], training: TrainingConfig, steps: int, seed: int) -> Case:
    optimizer: dict[str, Any] = {**training.adamw(), "grad_clip": training.grad_clip}
    time = max(1, min(_TIME, config.block_size - 1))  # a shorter text than the model can see shows which is which
    return case_of(config, values, optimizer, training.learning_rate, steps, seed, (_BATCH, time))


def _gpt(config: ModelConfig, what: str) -> GPTConfig:
    if isinstance(config, GPTConfig):
        return config
    count = parameter_count(config)
    raise UserError(f"a pack is of a GPT, and {what} is a bigram model of {count:,} parameters; choose another model")
