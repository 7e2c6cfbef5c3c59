"""Every call of a replayed function against a plain one."""

from __future__ import annotations

import numpy as np

from numpy_gpt.replay.replayed import Replayed, Workspace
from parity_tests.replay.same_bits import assert_same_bits

X = np.arange(1.0, 7)


def inputs(count=12):
    return [X * factor for factor in range(1, count + 1)]


def assert_as_plain(function, worth=1, state=(), shared=()):
    """Check every call of a replayed function against plain calls, results and state; return it."""
    mine, other = ([array.copy() for array in state] for _ in range(2))
    replayed = Replayed(function, Workspace(), shared, mine, worth)
    for x in inputs():
        expected = [np.array(result) for result in function(x, *shared, *other)]
        assert_same_bits([*replayed(x), *mine], [*expected, *other])
    return replayed
