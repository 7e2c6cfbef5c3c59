"""One training step with everything that it computed, as far as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpt_data.terminal import wrap_prose
from gpt_data.tokens.token_text import token_text
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import make_visible
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import activation_shapes, gradient_name
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import Recipe

_WITHOUT_BATCH_AXIS = ("embedding.position", "embedding.dposition", "loss")
_CLIPPED = "clipped."


class StepRecorder:
    """Keeps the activations and their gradients of the first sequence, and the norms and gradients of the whole batch.

    The arrays of a whole batch may be many times as large.
    """

    def __init__(self, config: ModelConfig) -> None:
        names = activation_shapes(config, 1, 1, dropout=True)
        self._activations, self._gradients = set(names), {gradient_name(name) for name in names}
        self.activations: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.norms: dict[str, float] = {}
        self.clipped: dict[str, Array] = {}

    def record(self, name: str, array: Any) -> None:
        """Keep what is shown of one array; gradients come in order of computation, from the loss backwards."""
        if name.startswith(_CLIPPED):
            self.clipped[name.removeprefix(_CLIPPED)] = array.copy()
        elif name in self._activations:
            self.activations[name] = _first(name, array)
        elif name in self._gradients:
            self.gradients[name] = _first(name, array)
            self.norms[name] = norm_of(array)


def _first(name: str, array: Any) -> Array:
    return np.array(array if name in _WITHOUT_BATCH_AXIS else array[0])


def norm_of(array: Array) -> float:
    """Return the root of the sum of the squares of all numbers, computed in float64."""
    return float(np.linalg.norm(np.asarray(array, np.float64)))


@dataclass(frozen=True, eq=False)
class RecordedStep:
    """A training step: its batch, all arrays of its recorder, its result, and the parameters before and after it.

    Shapes: inputs and targets (B, T); activations and their gradients without the axis B. ``clipped`` is empty if the
    loss or the gradient was not finite, and nothing was updated.
    """

    recipe: Recipe
    tokenizer: Tokenizer
    inputs: Tokens
    targets: Tokens
    step: int
    learning_rate: float
    result: StepResult
    recorder: StepRecorder
    before: Mapping[str, Array]
    after: Mapping[str, Array]

    def word(self, token: Any) -> str:
        """Return a token as readers see it."""
        return make_visible(token_text(self.tokenizer, token))

    def sequence_lines(self, rows: int, most: int | None = None) -> list[str]:
        """Return the first sequences of the batch as ids and words, each with its targets; of each ``most`` tokens."""
        lines = []
        for row, pair in enumerate(zip(self.inputs[:rows], self.targets[:rows], strict=True)):
            for what, tokens in zip(("input", "target"), pair, strict=True):
                rest = f" … {len(tokens) - most} more" if most is not None and len(tokens) > most else ""
                words = " | ".join(map(self.word, tokens[:most]))
                line = f"sequence {row} {what:>6}: {tokens[:most].tolist()}  {words}{rest}"
                lines += wrap_prose(line, continued="  ")
        return lines
