"""The colours of weights: matplotlib's magma, perceptually uniform and readable without colour vision.

A weight is shown by contrast: on paper 0 is pale and 1 dark, on a dark screen 0 is dark and 1 pale.
"""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

PAPER = (
    *("#fcfdbf", "#fde3a5", "#fec88c", "#feac76", "#fd9266", "#f8765c", "#ee5b5e", "#dc4869", "#c73d73"),
    *("#ae347b", "#962c80", "#802582", "#681c81", "#51127c", "#38106c", "#21114e", "#0e0b2b"),
)
"""Colours of the weights 0, 1/16 … 1 on paper, magma without its black end; between them colours are mixed."""

_ANCHORS = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in PAPER])


def colour_of(weight: float, *, dark: bool = False) -> Colour:
    """Return the colour of a weight on paper, or on a dark screen."""
    place = (1 - weight if dark else weight) * (len(_ANCHORS) - 1)
    red, green, blue = (round(np.interp(place, range(len(_ANCHORS)), channel)) for channel in _ANCHORS.T)
    return red, green, blue


def luminance_of(colour: Colour) -> float:
    """Return the relative luminance of a colour, 0 to 1, as WCAG 2 defines it."""
    parts = [channel / 255 for channel in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def is_dark(colour: Colour) -> bool:
    """Return whether white text on this colour has more contrast than black text."""
    return luminance_of(colour) < 0.179  # the geometric mean of black's and white's, each plus 0.05, less 0.05


def to_hex(colour: Colour) -> str:
    """Return a colour as CSS and matplotlib write it."""
    return f"#{bytes(colour).hex()}"
