"""The source of the exercises' numbers: the real trace of some words by a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from random import Random

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import make_visible
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Index
from handcalc.exercises.texts import known_text
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.step import indices_of
from handcalc.page.cells import visible_text
from handcalc.tracing.plan import make_plan, optimizer_of
from handcalc.tracing.trace import Trace, trace_model
from numpy_gpt.adamw import AdamWState, adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.token_checks import check_length
from numpy_gpt.shared.runs.checkpoint import Checkpoint

STEP_NUMBER = 3
"""The training step that the exercises on AdamW are about, counted from 1."""

_FAR_FROM_0 = 0.1


@dataclass(frozen=True, slots=True)
class Weight:
    """One matrix entry in an AdamW step: its value, its gradient, and both moments before the step."""

    name: str
    index: Index
    value: Decimal
    gradient: Decimal
    m: Decimal
    v: Decimal


class Source:
    """A model that reads some words; its numbers are worked out with ``digits`` digits when they are needed.

    ``whole`` says that they are whole numbers, whose results are often exact.
    """

    whole = False

    def __init__(self, model: Checkpoint, name: str, text: str, digits: int) -> None:
        self.config, self.text, self.digits = require_gpt(model.config), text, digits
        self._model, self._name = model, name
        self.tokens = tuple(model.tokenizer.encode(text).tolist())
        check_length(len(self.tokens), model.config.block_size)

    @cached_property
    def forward(self) -> Trace:
        """The forward pass of the whole text."""
        return self._trace(self.tokens, ())

    @cached_property
    def training(self) -> Trace:
        """The forward and the backward pass of predicting each next word of the text."""
        if len(self.tokens) < 2:
            raise UserError("a text of one token has no next word to predict; give a longer --text")
        return self._trace(self.tokens[:-1], self.tokens[1:])

    def _trace(self, tokens: tuple[int, ...], targets: tuple[int, ...]) -> Trace:
        plan = make_plan(self.config, tokens, targets, digits=self.digits)
        return trace_model(self._model, self._name, self.text, plan)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The numbers of AdamW in the recipe that trained the model."""
        return optimizer_of(self._model.recipe)

    def weight(self, rng: Random) -> Weight:
        """Return a random entry of a matrix before the third step of training, which is on this text.

        numpy_gpt takes the two steps before it, on other texts, in float64; the numbers are rounded to the
        page's digits. After only one step both moments would be multiples of one gradient, and half the mistakes would
        be invisible.
        """
        if len(self.tokens) < 2:
            raise UserError("a text of one token has no next word to predict; give a longer --text")
        texts = [known_text(self._model, rng) for _ in range(STEP_NUMBER - 1)]
        encoded = [tuple(self._model.tokenizer.encode(text).tolist()) for text in texts]
        parameters, gradients, state = self._train([*(ids for ids in encoded if len(ids) > 1), self.tokens])
        matrices = [name for name, array in gradients.items() if array.ndim == 2 and array.any()]
        name = rng.choice(matrices)
        sizes = {index: abs(float(gradients[name][index])) for index in indices_of(gradients[name].shape)}
        typical = sorted(sizes.values())[len(sizes) // 2]
        moved = [index for index, size in sizes.items() if size and size >= typical]
        far = [index for index in moved if abs(parameters[name][index]) >= _FAR_FROM_0]
        index = rng.choice(far or moved)
        arrays = (parameters, gradients, state.m, state.v)
        return Weight(name, index, *(self.round(float(array[name][index])) for array in arrays))

    def _train(self, texts: Sequence[tuple[int, ...]]) -> tuple[Parameters, Parameters, AdamWState]:
        """Return the weights and moments after a step on each text except the last, and the gradients of the last."""
        numbers = {name: float(value) for name, value in self.optimizer._asdict().items()}
        rate, clip = numbers.pop("learning_rate"), numbers.pop("grad_clip")
        numbers["epsilon"] = numbers.pop("adam_epsilon")
        values = {name: np.array(array, dtype=np.float64) for name, array in self._model.values.items()}
        parameters = parameters_from(self.config, values)
        state = adamw_state(parameters)
        for step, tokens in enumerate(texts, 1):
            _, gradients = loss_and_gradients(parameters, [tokens[:-1]], [tokens[1:]])
            clip_gradients(gradients, clip)
            if step < len(texts):
                adamw_step(parameters, gradients, state, step, rate, **numbers)
        return parameters, gradients, state

    def round(self, value: float | Decimal) -> Decimal:
        """Return a number as the page shows it."""
        return Calculator(self.digits).round(Decimal(value))

    def word(self, position: int) -> str:
        """Return a position and its word as they appear in a sentence: position 2 ("world")."""
        return f'position {position} ("{make_visible(self.forward.vocabulary[self.tokens[position]])}")'

    def scene(self, where: str = "") -> str:
        """Return the sentence that says what the model reads, and which part of it the question is about."""
        text = visible_text(self.forward, len(self.tokens))
        return f'The model {self._name} reads "{text}"{f"; {where}" if where else ""}.'
