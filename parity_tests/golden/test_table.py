"""What the checker says about a port by another hand: planted mistakes are named, right ports are not accused."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from parity_tests.golden.__main__ import false_alarms
from parity_tests.golden.causes import CAUSES
from parity_tests.golden.dumps import DUMPS
from parity_tests.golden.judging import Case, judge, judge_pair
from parity_tests.golden.port.bug import Bug
from parity_tests.golden.port.bugs import LISTED
from parity_tests.golden.port.held_back import HELD_BACK, ONE_LAYER, UNLISTED
from parity_tests.golden.port.variants import VARIANTS

OF_THE_LIST = [*LISTED, *HELD_BACK, *ONE_LAYER]
COLUMNS = list(product(("loud", "quiet-noisy"), ("float32", "float64"), DUMPS))
A_FEW = ("scale_width", "dk_transposed", "repeated_tokens_overwritten")


def test_planted_mistakes_are_named() -> None:
    for bug in LISTED:
        if bug.id in A_FEW:
            assert judge(Case((bug,), "loud", "float32", "full")).mark == "A", bug.id


def test_a_mistake_of_no_list_is_located() -> None:
    unknown = next(bug for bug in UNLISTED if bug.id == "head_overwritten")
    judgement = judge(Case((unknown,), "loud", "float32", "full"))
    assert (judgement.mark, judgement.found[0]) == ("L", "h.0.attn.heads: no cause")


def test_right_ports_are_not_accused() -> None:
    assert false_alarms(8) == {}


def test_every_mistake_of_the_list_has_a_cause() -> None:
    assert {bug.id for bug in OF_THE_LIST} <= set(CAUSES)
    assert set(CAUSES) <= {bug.id for bug in (*OF_THE_LIST, *VARIANTS, *UNLISTED)}


@pytest.mark.prove
def test_mistakes_of_the_list_are_named_alone() -> None:
    marks = marks_of([*OF_THE_LIST, *VARIANTS][::5])
    seen = {column: mark for column, mark in marks.items() if mark != "."}
    assert Counter(seen.values())["A"] >= 0.9 * len(seen), {key: mark for key, mark in seen.items() if mark != "A"}
    assert not {key for key, mark in seen.items() if mark in "W!"}


@pytest.mark.prove
def test_mistakes_of_no_list_are_located() -> None:
    marks = marks_of(UNLISTED[::6])
    assert not {key: mark for key, mark in marks.items() if mark in "Ww!M"}


@pytest.mark.prove
def test_many_right_ports_are_not_accused() -> None:
    assert false_alarms(60) == {}


@pytest.mark.parametrize("seed", [40, 82, 234, 826])
def test_right_ports_that_were_accused(seed: int) -> None:
    # float32 where tanh is −1; bfloat16 with micro-batches in another order, at ReLU's kink, and in GELU's tail.
    assert false_alarms(1, first=seed) == {}


@pytest.mark.prove
def test_two_mistakes_at_once_are_both_named() -> None:
    usual = [bug for bug in LISTED if not bug.needs and bug.id != "head_random"]  # a table that nobody can know
    pairs = [(usual[i], usual[-1 - i]) for i in range(0, 40, 6)]
    named = [judge_pair(Case(pair, "loud", "float32", "full"))[0] for pair in pairs]
    assert sum(named) >= 0.85 * len(named)


def marks_of(bugs: list[Bug]) -> dict[str, str]:
    """Judge each bug in one of the columns, in turn: all of them would take a hundred times as long."""
    marks = {}
    for number, bug in enumerate(bugs):
        column = COLUMNS[number % len(COLUMNS)]
        marks[f"{bug.id} {' '.join(column)}"] = judge(Case((bug,), *column)).mark
    return marks
