"""A new run that starts from a trained model's weights: the model is kept, and everything else may be chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.runs.checkpoint import Checkpoint, model_files
from numpy_gpt.shared.runs.gpt2_files import MODEL_FILE
from numpy_gpt.shared.training.presets import FINE_TUNING, PRESETS
from numpy_gpt.shared.training.recipe import Origin, Recipe, stored_recipe


def own_recipe(model: Checkpoint) -> Recipe:
    """Return the recipe that a model was trained with or, if it has none, that of fine-tuning, without a dataset.

    Its precision is that of the weights: a half precision needs a device that has it. Its name is that of a preset, or
    ``model``: a directory is named after it, so a file of others must not choose it.

    Raises
    ------
    UserError
        If the model's recipe is invalid.
    """
    recipe = stored_recipe(model) or Recipe(name="model", dataset="", model=model.config, training=FINE_TUNING)
    dtype = next(iter(model.values.values())).dtype.name
    name = recipe.name if recipe.name in PRESETS else "model"
    return replace(recipe, name=name, model=model.config, training=replace(recipe.training, dtype=dtype))


def recipe_from_weights(
    model: Checkpoint, place: str, base: Recipe, changes: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Recipe:
    """Return a recipe of the model's own architecture, with the dataset and the training settings of ``base``.

    ``changes`` are the user's choices, which override ``defaults``. Of the model only dropout may be changed, and the
    context shortened.

    Raises
    ------
    UserError
        If a change contradicts the model, a name is unknown, or a value is out of range.
    """
    _check_kept(model.config, place, changes)
    origin = Origin(place=place, step=model.step, sha256=hashlib.sha256(model_files(model)[MODEL_FILE]).hexdigest())
    recipe = replace(base, model=model.config, init_from=origin).override({**defaults, **changes})
    longest = model.config.block_size
    if isinstance(model.config, GPTConfig) and recipe.model.block_size > longest:
        raise UserError(
            f"block_size must be at most {longest}, the context of {place}, not "
            f"{describe(recipe.model.block_size)}: the positions after that were never trained"
        )
    return recipe


def weights_for(model: Checkpoint, recipe: Recipe) -> dict[str, Array]:
    """Return the weights that the model predicts with, an EMA if it has one, in the recipe's precision.

    Of a longer context the first positions are kept.

    Raises
    ------
    UserError
        If a weight is too large for that precision.
    """
    dtype = recipe.training.weights_dtype
    values = dict(model.values)
    if isinstance(recipe.model, GPTConfig):
        values["wpe.weight"] = values["wpe.weight"][: recipe.model.block_size]
    values = {name: array.astype(dtype) for name, array in values.items()}
    if name := first_not_finite(values):
        raise UserError(f"{name} has weights that are too large for {dtype}; use dtype=float64")
    return values


def describe_weights(model: Checkpoint, recipe: Recipe) -> list[str]:
    """Return what the user must know about the initial weights, one sentence each, without a period."""
    averaged = ": the average (EMA) that the model predicts with, not the weights in training"
    has_average = ((model.recipe or {}).get("training") or {}).get("ema_decay", 0) > 0
    told = [f"the run starts from {recipe.init_from}{averaged * has_average}"]
    if isinstance(recipe.model, GPTConfig) and recipe.model.block_size < model.config.block_size:
        told.append(f"of its {model.config.block_size} positions it keeps the first {recipe.model.block_size}")
    dtype = next(iter(model.values.values())).dtype.name
    if dtype == "float64" != recipe.training.weights_dtype:
        told.append(f"its weights are rounded from {dtype} to {recipe.training.weights_dtype}")
    return told


def _check_kept(config: ModelConfig, place: str, changes: Mapping[str, Any]) -> None:
    for name in (item.name for item in fields(config) if item.name not in ("block_size", "dropout")):
        value = getattr(config, name)
        if name in changes and changes[name] != value:
            raise UserError(
                f"{name} must be {describe(value)}, as in {place}, not {describe(changes[name])}: the "
                "weights determine it; leave it out"
            )
