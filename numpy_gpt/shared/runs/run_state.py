"""The state of a run apart from its weights and moments: its progress, and which evaluation was the best.

Nothing else needs to be saved: batches, dropout masks and the learning rate are functions of the step.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from gpt_data.errors import UserError
from gpt_data.files.json_values import AtLeast
from gpt_data.wording import count_of

Step = Annotated[int, AtLeast(0)]
"""A number of steps taken, in what is read from files."""


def steps_taken(step: int, before: str = " ") -> str:
    """Return ``before`` and after how many steps of training a model is, or nothing if it is 0.

    0 is also what a model has whose files do not say it, such as GPT-2.
    """
    return f"{before}after {count_of(step, 'step')}" if step else ""


@dataclass(frozen=True)
class Evaluation:
    """Losses in nats per token after ``step`` steps, and the learning rate of the next step.

    ``train_loss`` and ``val_loss`` cover all evaluation windows; the estimates use random batches, as nanoGPT's do.
    """

    step: Step
    train_loss: float
    val_loss: float
    learning_rate: float
    train_estimate: float | None = None
    val_estimate: float | None = None


@dataclass(frozen=True)
class RunState:
    """The state after ``step`` steps: the best validation loss, its step, and the number of evaluations since.

    ``evaluation`` is the evaluation of this step, or None if it has not been evaluated.

    Raises
    ------
    UserError
        If the steps contradict each other.
    """

    step: Step = 0
    best_val_loss: float | None = None
    best_step: Step | None = None
    evaluations_since_best: Annotated[int, AtLeast(0)] = 0
    evaluation: Evaluation | None = None

    def __post_init__(self) -> None:
        if self.evaluation is not None and self.evaluation.step != self.step:
            raise UserError(f"evaluation.step must be {self.step}, the state's step, not {self.evaluation.step}")
        if (self.best_step is None) != (self.best_val_loss is None) or (self.best_step or 0) > self.step:
            best = f"{self.best_step} and {self.best_val_loss}"
            raise UserError(
                f"best_step and best_val_loss must be of a step up to {self.step}, or both null, not {best}"
            )

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
        """Return the state as plain values, for JSON; ``json_values.convert`` is the inverse."""
        return asdict(self)
