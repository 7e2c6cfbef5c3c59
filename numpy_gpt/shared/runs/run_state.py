"""The state of a run apart from its weights and moments: its progress, and which evaluation was the best.

Nothing else needs to be saved: batches, dropout masks and the learning rate are functions of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gpt_data.checks import whole_number
from gpt_data.errors import UserError


@dataclass(frozen=True)
class Evaluation:
    """Losses in nats per token after ``step`` steps, and the learning rate of the next step.

    ``train_loss`` and ``val_loss`` cover all evaluation windows; the estimates use random batches, as nanoGPT's do.
    """

    step: int
    train_loss: float
    val_loss: float
    learning_rate: float
    train_estimate: float | None = None
    val_estimate: float | None = None


@dataclass(frozen=True)
class RunState:
    """The state after ``step`` steps: the best validation loss, its step, and the number of evaluations since.

    ``evaluation`` is the evaluation of this step, or None if it has not been evaluated.
    """

    step: int = 0
    best_val_loss: float | None = None
    best_step: int | None = None
    evaluations_since_best: int = 0
    evaluation: Evaluation | None = None

    @property
    def current_evaluation(self) -> Evaluation:
        """The evaluation of this step, which a finished run always has.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.evaluation is None:
            raise ValueError(f"step {self.step} was not evaluated")
        return self.evaluation

    def after_steps(self, step: int) -> RunState:
        """Return the state after training has continued to ``step``."""
        return self if step == self.step else replace(self, step=step, evaluation=None)

    def after_evaluation(self, evaluation: Evaluation) -> RunState:
        """Return the state after one more evaluation."""
        if self.best_val_loss is None or evaluation.val_loss < self.best_val_loss:
            return RunState(evaluation.step, evaluation.val_loss, evaluation.step, 0, evaluation)
        since_best = self.evaluations_since_best + 1
        return RunState(evaluation.step, self.best_val_loss, self.best_step, since_best, evaluation)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunState:
        """Return the state that ``to_dict`` converted.

        Raises
        ------
        UserError
            If a field is missing, unknown or of the wrong type.
        """
        try:
            evaluation = values["evaluation"]
            state = cls(**{**values, "evaluation": None if evaluation is None else Evaluation(**evaluation)})
            whole_number("step", state.step, 0)
            whole_number("evaluations_since_best", state.evaluations_since_best, 0)
        except (KeyError, TypeError) as error:
            raise UserError(f"the state of the run is incomplete or of another version: {error}") from error
        return state
