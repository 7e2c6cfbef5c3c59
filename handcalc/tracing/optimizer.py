"""What the optimizer's update depends on besides the gradients, as the decimal numbers that a person writes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig


class Optimizer(NamedTuple):
    """The numbers of clipping and AdamW, with the names of a training recipe; ``grad_clip`` 0 means no clipping."""

    learning_rate: Decimal
    weight_decay: Decimal
    beta1: Decimal
    beta2: Decimal
    adam_epsilon: Decimal
    grad_clip: Decimal


def optimizer_of(recipe: Mapping[str, Any] | None, learning_rate: float | None = None) -> Optimizer:
    """Return the numbers of the recipe that a model was trained by, or the usual ones if it came without a recipe.

    Unless another is given, the learning rate is the one at which the recipe's training ends, which suits a model that
    is trained: the first step of AdamW goes as far as the rate for every weight, and with the recipe's largest rate it
    would overshoot.

    Raises
    ------
    UserError
        If the recipe is incomplete, or the learning rate is negative or not finite.
    """
    training = TrainingConfig() if recipe is None else Recipe.from_dict(recipe).training
    numbers = {name: Decimal(repr(getattr(training, name))) for name in Optimizer._fields}
    if learning_rate is not None:
        if not 0 <= learning_rate < float("inf"):
            raise UserError(f"--learning_rate must be at least 0 and finite, not {learning_rate}")
        numbers["learning_rate"] = Decimal(repr(learning_rate))
    elif training.min_lr is not None:
        numbers["learning_rate"] = Decimal(repr(training.min_lr))
    else:
        numbers["learning_rate"] /= 10  # as TrainingConfig.schedule does, but without rounding
    return Optimizer(**numbers)
