"""The engine of ``train --by_hand``: it shows its first steps, and trains exactly as without."""

from __future__ import annotations

from gpt_data.terminal import show
from numpy_gpt.by_hand.choice import ByHand
from numpy_gpt.by_hand.full import full_lines
from numpy_gpt.by_hand.page import page_lines
from numpy_gpt.by_hand.recorded_step import RecordedStep, StepRecorder
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.program import InitialState
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import Recipe


class ByHandEngine(NumpyEngine):
    """A NumpyEngine that shows its first steps, on a terminal with the pager.

    Activations are those of the batch's first sequence; loss, gradients' norms and changes are those of the whole
    batch.
    """

    prints = True

    def __init__(self, recipe: Recipe, initial: InitialState, by_hand: ByHand, replay: bool | None = None) -> None:
        super().__init__(recipe, initial.values, initial.moments, initial.trained, replay)
        self._tokenizer, self._steps_left = initial.tokenizer, by_hand.steps
        self._lines_of = full_lines if by_hand.full else page_lines

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step as NumpyEngine does, and show it if it is one of the first."""
        if self._steps_left == 0:
            return super().training_step(inputs, targets, step, learning_rate, record)
        self._steps_left -= 1
        recorder = StepRecorder(self.recipe.model)
        before = {name: array.copy() for name, array in self.parameters.items()}
        result = super().training_step(inputs, targets, step, learning_rate, recorder.record)
        batch = (inputs, targets, step, learning_rate, result, recorder)
        shown = RecordedStep(self.recipe, self._tokenizer, *batch, before, self.parameters)
        show((f"{line}\n" for line in self._lines_of(shown)), paged=True)
        return result
