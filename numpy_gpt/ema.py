"""A running average of the weights while they are trained (Polyak & Juditsky 1992, in its exponential form)."""

from __future__ import annotations

from numpy_gpt.parameters import Parameters, in_parts


def update_ema(averages: Parameters, parameters: Parameters, share: float) -> None:
    """Move the averages in place by ``share`` of the way to the parameters (13.11)."""
    for average, theta in in_parts(averages.flat, parameters.flat):
        way = theta - average
        way *= share
        average += way
