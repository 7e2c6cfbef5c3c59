"""What the flag ``--by_hand`` chooses."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from gpt_data.wording import describe, quote
from numpy_gpt.shared.cli.parser import whole_number


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
    kind, colon, number = text.partition(":")
    full = kind.lower() == "full"
    try:
        steps = whole_number(number if full else text) if colon or not full else 1
    except argparse.ArgumentTypeError:
        message = f"must be a number of steps, full, or full:STEPS, not {quote(text)}"
        raise argparse.ArgumentTypeError(message) from None
    if steps < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {describe(steps)}")
    return ByHand(steps, full)
