"""A running average of the weights while they are trained (Polyak & Juditsky 1992, in its exponential form)."""

from __future__ import annotations

import numpy as np

from numpy_gpt.parameters import Parameters, parts_of


def average_weights(averages: Parameters, parameters: Parameters, share: float) -> None:
    """Move the averages in place by ``share`` of the way to the parameters (13.11)."""
    for part in parts_of(averages.flat):
        way = np.subtract(parameters.flat[part], averages.flat[part])
        way *= share
        averages.flat[part] += way
