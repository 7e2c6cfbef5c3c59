"""The check of whole numbers that configs, choices and samplers share."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.checks import whole_number
from gpt_data.errors import UserError


@pytest.mark.parametrize("value", [3, np.int64(3), np.int8(3), np.uint64(3)])
def test_whole_numbers_become_int(value):
    assert type(whole_number("rows", value, 3)) is int
    assert whole_number("rows", value, 3) == 3


@pytest.mark.parametrize("value", [0, -1, np.int64(0), True, np.True_, 3.0, np.float64(3), np.array(3), "3", None])
def test_other_values_are_refused(value):
    with pytest.raises(UserError) as refused:
        whole_number("rows", value, 1)
    assert str(refused.value) == f"rows must be a whole number of at least 1, not {value!r}"
    with pytest.raises(UserError) as refused:
        whole_number("rows", value, 1, "leave it out")
    assert str(refused.value) == f"rows must be a whole number of at least 1, not {value!r}; leave it out"


def test_a_long_value_is_cut():
    with pytest.raises(UserError, match=r"^rows must be a whole number of at least 3, not .{60,90}; leave it out$"):
        whole_number("rows", "3" * 1000, 3, "leave it out")
