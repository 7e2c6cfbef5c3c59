"""A run with another end: which ends are possible, when patience starts again, and what the user is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.runs.run_state import RunState
from numpy_gpt.shared.training.extension import check_end, describe_extension, extended_state
from numpy_gpt.shared.training.recipe import TrainingConfig

OLD = TrainingConfig(max_iters=1000, learning_rate=1.0, warmup_iters=100)
FIXED = replace(OLD, lr_decay_iters=1000)


def _told(old, state, **changes):
    return list(describe_extension(old, replace(old, **changes), state))


def test_the_end_is_not_before_the_present_step():
    with pytest.raises(UserError, match="max_iters must be at least 400, the steps that the run has already taken, no"):
        check_end(replace(OLD, max_iters=399), RunState(400))
    check_end(replace(OLD, max_iters=400), RunState(400))


@pytest.mark.parametrize(
    ("old", "step", "changes", "expected"),
    [
        (
            OLD,
            1000,
            {"max_iters": 1900},
            "the cosine of the learning rate ends at step 1900 instead of 1000: at step 1000 the rate changes from "
            "1.000e-01 to 5.500e-01; lr_decay_iters=1000 would keep it",
        ),
        (
            OLD,
            1000,
            {"max_iters": 1900, "lr_decay_iters": 1900},
            "the cosine of the learning rate ends at step 1900 instead of 1000: at step 1000 the rate changes from "
            "1.000e-01 to 5.500e-01",
        ),
        (
            OLD,
            49,
            {"max_iters": 2000},
            "the cosine of the learning rate ends at step 2000 instead of 1000: at step 49 the rate is still 4.950e-01",
        ),
        (
            OLD,
            1000,
            {"max_iters": 2000, "lr_decay_iters": 1000},
            "the learning rate keeps its schedule: at step 1000 it is 1.000e-01, and stays there",
        ),
        (FIXED, 550, {"max_iters": 2000}, "the learning rate keeps its schedule: at step 550 it is 5.500e-01"),
        (
            OLD,
            550,
            {"max_iters": 600},
            "the cosine of the learning rate ends at step 600 instead of 1000: at step 550 the rate changes from "
            "5.500e-01 to 1.220e-01; lr_decay_iters=1000 would keep it",
        ),
    ],
)
def test_the_rate_before_and_after_is_told(old, step, changes, expected):
    end = changes["max_iters"]
    assert _told(old, RunState(step), **changes) == [f"the run now ends after step {end} instead of 1000", expected]


def test_another_end_of_the_cosine_alone():
    (told,) = _told(FIXED, RunState(550), lr_decay_iters=None)
    assert told == "the learning rate keeps its schedule: at step 550 it is 5.500e-01"
    (told,) = _told(OLD, RunState(550), lr_decay_iters=1900)
    assert told.endswith("ends at step 1900 instead of 1000: at step 550 the rate changes from 5.500e-01 to 8.682e-01")


def test_only_a_longer_run_is_patient_again():
    old, state = replace(OLD, patience=2), RunState(40, 1.0, 20, 2)
    longer, shorter = replace(old, max_iters=1001), replace(old, max_iters=999)
    assert extended_state(old, longer, state) == RunState(40, 1.0, 20, 0)
    assert extended_state(old, shorter, state) == extended_state(old, old, state) == state
    waiting = RunState(40, 1.0, 20, 1)  # it has not stopped, so an extended run stops when a longer one would
    assert extended_state(old, longer, waiting) == waiting
    assert _told(old, state, max_iters=1001)[-1] == (
        "it had stopped early, after 2 evaluations without improvement, and its patience starts again from 0"
    )


def test_later_snapshots_are_told():
    old = replace(OLD, max_iters=6000, snapshots=8)
    assert _told(old, RunState(300), max_iters=12000)[-1] == (
        "its snapshots so far stay, and more are kept after step 524, 2508, 12000"
    )
    assert _told(old, RunState(6000), max_iters=12000)[-1].endswith("after step 12000")
    assert _told(old, RunState(300), max_iters=300)[-1] == "its snapshots so far stay"
