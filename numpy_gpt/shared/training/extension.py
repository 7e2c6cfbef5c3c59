"""A run that is resumed with another end: what changes, and what the user must know about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gpt_data.errors import UserError
from gpt_data.wording import count_of, describe
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.training.recipe import TrainingConfig
from numpy_gpt.shared.training.schedule import learning_rate_at, snapshot_steps
from numpy_gpt.shared.training.stopping import has_run_out

CHANGEABLE = ("max_iters", "lr_decay_iters")
"""The settings that may change when a run is resumed: when it ends, and when the cosine of its learning rate ends."""


def check_end(training: TrainingConfig, state: RunState) -> None:
    """Check that a run does not end before the step that it has reached.

    Raises
    ------
    UserError
        If it would.
    """
    if training.max_iters < state.step:
        raise UserError(
            f"max_iters must be at least {state.step}, the steps that the run has already taken, "
            f"not {describe(training.max_iters)}"
        )


def extended_state(old: TrainingConfig, new: TrainingConfig, state: RunState) -> RunState:
    """Return the state from which a run continues: one that ran out of patience is patient again if it is extended."""
    is_revived = new.max_iters > old.max_iters and has_run_out(old, state)
    return replace(state, evaluations_since_best=0) if is_revived else state


def describe_extension(old: TrainingConfig, new: TrainingConfig, state: RunState) -> Iterator[str]:
    """Yield what another end changes, one sentence each, without a period."""
    if new.max_iters != old.max_iters:
        yield f"the run now ends after step {new.max_iters} instead of {old.max_iters}"
    yield _schedule_sentence(old, new, state.step)
    if extended_state(old, new, state) != state:
        waited = count_of(state.evaluations_since_best, "evaluation")
        yield f"it had stopped early, after {waited} without improvement, and its patience starts again from 0"
    if new.snapshots and new.max_iters != old.max_iters:
        later = [str(step) for step in snapshot_steps(new.snapshots, new.max_iters) if step > state.step]
        more = f", and more are kept after step {', '.join(later)}" if later else ""
        yield f"its snapshots so far stay{more}"


def _schedule_sentence(old: TrainingConfig, new: TrainingConfig, step: int) -> str:
    before, after = (learning_rate_at(step, **training.schedule()) for training in (old, new))
    ends = [training.schedule()["lr_decay_iters"] for training in (old, new)]
    if ends[0] == ends[1]:
        rest = ", and stays there" if step >= ends[0] else ""
        return f"the learning rate keeps its schedule: at step {step} it is {after:.3e}{rest}"
    what = f"the cosine of the learning rate ends at step {ends[1]} instead of {ends[0]}"
    if before == after:
        return f"{what}: at step {step} the rate is still {after:.3e}"
    remedy = f"; lr_decay_iters={ends[0]} would keep it" if new.lr_decay_iters is None else ""
    return f"{what}: at step {step} the rate changes from {before:.3e} to {after:.3e}{remedy}"
