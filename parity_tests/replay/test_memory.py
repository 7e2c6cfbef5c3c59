"""The plan of memory: arrays in use at the same time never overlap, and no more is taken than is needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt.replay.memory import ALIGNMENT, Use, plan


def _use(first, length, size):
    return Use(first, first + length, size)


USES = st.lists(
    st.builds(_use, st.integers(-1, 12), st.integers(0, 6), st.sampled_from([0, 1, 63, 64, 65, 200, 1000])), max_size=30
)


def rounded(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def most_at_once(uses):
    calls = {call for use in uses for call in (use.first, use.last)}
    return max((sum(rounded(use.size) for use in uses if use.first <= call <= use.last) for call in calls), default=0)


def planned(uses):
    """Return how many bytes a plan needs, after checking it."""
    offsets, end = plan(uses)
    assert len(offsets) == len(uses)
    for number, (use, offset) in enumerate(zip(uses, offsets, strict=True)):
        assert offset % ALIGNMENT == 0
        assert 0 <= offset <= offset + use.size <= end
        for other, place in zip(uses[:number], offsets, strict=False):
            together = use.first <= other.last and other.first <= use.last and use.size and other.size
            assert not together or offset + use.size <= place or place + other.size <= offset
    assert most_at_once(uses) <= end <= sum(rounded(use.size) for use in uses)
    return end


@given(USES)
def test_arrays_in_use_at_the_same_time_never_overlap(uses):
    planned(uses)


@given(st.integers(1, 20), st.integers(0, 3), st.sampled_from([1, 64, 300]))
def test_a_chain_of_equal_arrays_takes_no_more_than_it_must(count, length, size):
    uses = [Use(number, number + length, size) for number in range(count)]
    assert planned(uses) == most_at_once(uses)


@pytest.mark.parametrize(
    ("uses", "end"),
    [
        ([], 0),
        ([Use(0, 1, 100)], 128),
        ([Use(0, 1, 64), Use(1, 2, 64)], 128),  # the result of a call does not overwrite what the call reads
        ([Use(0, 1, 64), Use(2, 3, 64)], 64),
        ([Use(0, 3, 64), Use(0, 1, 64), Use(0, 3, 64), Use(2, 3, 64)], 192),  # a gap
        ([Use(0, 3, 64), Use(0, 1, 64), Use(2, 3, 128)], 192),
        ([Use(0, 2, 64), Use(0, 1, 64), Use(0, 2, 64), Use(3, 4, 192)], 192),  # in place of three
        ([Use(0, 1, 128), Use(2, 5, 64), Use(3, 5, 64)], 128),  # what is left of a gap
        ([Use(0, 5, 0), Use(0, 5, 64), Use(-1, 5, 64)], 128),
        ([Use(0, 9, 64), Use(1, 2, 256), Use(3, 4, 192), Use(3, 5, 64)], 320),  # a large one among small ones
    ],
)
def test_chosen_plans_take_no_more_than_they_must(uses, end):
    assert planned(uses) == most_at_once(uses) == end
