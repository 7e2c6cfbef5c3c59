"""A run that is killed at random moments loses nothing; ``python -m parity_tests.kills`` kills it more often."""

from __future__ import annotations

import random

import pytest

from parity_tests.kills import contents, run_undisturbed, run_with_kills


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.prove)])
def test_kills_change_no_byte(kills, tmp_path):
    seconds = run_undisturbed(tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    rng, struck, number = random.Random(5), 0, 0
    while struck < kills:
        number += 1
        run = tmp_path / str(number)
        struck += run_with_kills(run, min(7, kills - struck), seconds / 2, rng)
        assert contents(run) == expected
