"""The plan of a trace: the tokens that the model reads, how far the calculation goes, and all of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import count_of, short_repr
from handcalc.arithmetic.calculator import Calculator
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.model import backward_steps, forward_steps, steps_again, update_steps, why_steps
from handcalc.formulas.step import Sizes, Step
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.model.token_checks import check_length
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

PROBABILITIES = "probabilities"
"""The step that ends the forward pass."""


class Plan(NamedTuple):
    """A calculation before any number is known.

    ``targets`` are the tokens that came next, one for each of ``tokens``: with them the steps continue to the loss and
    all gradients. With ``optimizer`` as well, they continue to the new weights and the forward pass with these.
    ``number`` says which update this is: from the second one on, AdamW's moments are given. ``why`` are the steps that
    split logits by the part of the model that they come from, if it has several; of these only the cells of a few words
    are worked out.
    """

    config: ModelConfig
    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    optimizer: Optimizer | None
    digits: int
    steps: tuple[Step, ...]
    number: int = 1
    why: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        return short_repr(f"Plan of {count_of(len(self.tokens), 'token')}: {count_of(len(self.steps), 'step')}")

    @property
    def page_steps(self) -> tuple[Step, ...]:
        """All steps in the order of a page: ``why`` comes after the probabilities that it explains."""
        after = next((place for place, step in enumerate(self.steps, 1) if step.name == PROBABILITIES), 0)
        return (*self.steps[:after], *self.why, *self.steps[after:])

    @property
    def sizes(self) -> Sizes:
        """The range of each index letter."""
        return Sizes.of(self.config, len(self.tokens))

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter, by name."""
        return parameter_shapes(self.config)


def make_plan(
    config: ModelConfig,
    tokens: tuple[int, ...],
    targets: tuple[int, ...] = (),
    optimizer: Optimizer | None = None,
    *,
    digits: int,
    number: int = 1,
) -> Plan:
    """Return the plan of a calculation with ``digits`` significant digits, up to the update of that ``number``.

    Raises
    ------
    UserError
        If there are more tokens than the model can see, or ``digits`` is out of range.
    """
    check_length(len(tokens), config.block_size)
    digits = Calculator(digits).digits
    steps = list(forward_steps(config, tokens, targets, digits=digits))
    if targets:
        forward = tuple(steps)
        steps += backward_steps(config, tokens, targets, digits=digits)
        if optimizer is not None:
            steps += update_steps(config, optimizer, len(tokens), number)
            steps += steps_again(forward)
    why = tuple(why_steps(config, len(tokens)))
    return Plan(config, tokens, targets, optimizer, digits, tuple(steps), number, why)


def make_training_plan(
    config: ModelConfig, tokens: tuple[int, ...], optimizer: Optimizer | None = None, *, digits: int
) -> Plan:
    """Return the plan that predicts each next token of a text: the last token is only a target.

    Raises
    ------
    UserError
        As ``make_plan``, and if the text has only one token, and so nothing to predict.
    """
    if len(tokens) < 2:
        raise UserError("there is nothing to predict: give a text of at least two tokens (spaces count)")
    return make_plan(config, tokens[:-1], tokens[1:], optimizer, digits=digits)


def plan_text(
    config: ModelConfig,
    recipe: Mapping[str, Any] | None,
    tokens: tuple[int, ...],
    *,
    backward: bool,
    update: bool,
    learning_rate: float | None,
    digits: int,
) -> Plan:
    """Return the plan of a text for a model that this recipe trained, with ``backward`` and ``update`` if wanted.

    Raises
    ------
    UserError
        If the text is too long or too short, or an option is out of range.
    """
    if update:
        return make_training_plan(config, tokens, optimizer_of(recipe, learning_rate), digits=digits)
    return (make_training_plan if backward else make_plan)(config, tokens, digits=digits)


def optimizer_of(recipe: Mapping[str, Any] | None, learning_rate: float | None = None) -> Optimizer:
    """Return the numbers of the recipe that trained a model, or the defaults if it has no recipe.

    Unless another one is given, the learning rate is the one at which the recipe's training ends, because the model is
    trained already: AdamW's first step moves every weight by about the learning rate, and the recipe's largest rate
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
            raise UserError(f"learning_rate must be at least 0 and finite, not {learning_rate}")
        numbers["learning_rate"] = Decimal(repr(learning_rate))
    elif training.min_lr is not None:
        numbers["learning_rate"] = Decimal(repr(training.min_lr))
    else:
        numbers["learning_rate"] /= 10  # as TrainingConfig.schedule does, but without rounding
    return Optimizer(**numbers)
