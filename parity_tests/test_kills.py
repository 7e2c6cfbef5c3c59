"""Training that is killed at random moments loses nothing: 20 times here, 200 and more by ``parity_tests.kills``."""

from __future__ import annotations

import random

from parity_tests.kills import contents, disturbed, undisturbed


def test_twenty_kills_at_random_moments_change_no_byte_of_the_result(tmp_path):
    seconds = undisturbed(tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    rng, struck, number = random.Random(5), 0, 0
    while struck < 20:
        number += 1
        run = tmp_path / str(number)
        struck += disturbed(run, min(7, 20 - struck), seconds / 2, rng)
        assert contents(run) == expected
