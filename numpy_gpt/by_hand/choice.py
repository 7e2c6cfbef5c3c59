"""What the flag ``--by_hand`` chooses."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from gpt_data.wording import describe
from numpy_gpt.shared.cli.parser import full_or_number


class ByHand(NamedTuple):
    """How many steps are shown, and whether with every number."""

    steps: int
    full: bool = False


def read_by_hand(text: str) -> ByHand:
    """Return what ``STEPS``, ``full`` or ``full:STEPS`` chooses.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is something else, or the number is negative.
    """
    steps, full = full_or_number(text, 1, "steps")
    if steps < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {describe(steps)}")
    return ByHand(steps, full)
