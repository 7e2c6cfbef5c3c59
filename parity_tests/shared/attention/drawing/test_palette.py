"""The palette: colours are monotone in the weights, also without colour vision, and text on them can be read."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.shared.attention.drawing import terminal
from numpy_gpt.shared.attention.drawing.palette import colour_of, is_dark, luminance_of, to_hex


@pytest.mark.parametrize("dark", [False, True])
def test_lightness_is_monotone(dark):
    lightness = [luminance_of(colour_of(weight, dark=dark)) for weight in np.linspace(0, 1, 101)]
    assert lightness == sorted(lightness, reverse=not dark)
    assert max(lightness) - min(lightness) > 0.9
    assert len(set(lightness)) == 101


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(dark):
    for weight in np.linspace(0, 1, 101):
        colour = colour_of(weight, dark=dark)
        light, low = (1.0, luminance_of(colour)) if is_dark(colour) else (luminance_of(colour), 0.0)
        assert (light + 0.05) / (low + 0.05) >= 4.5


def test_colours_are_written_as_in_css():
    assert to_hex((0, 128, 255)) == "#0080ff"


def _rgb(number):
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    steps = (0, 95, 135, 175, 215, 255)
    return tuple(steps[(number - 16) // size % 6] for size in (36, 6, 1))


def test_colours_of_the_terminal_are_monotone():
    colours = (*terminal._DARK, *terminal._PALE)
    assert [bound for bound, _ in colours] == sorted(bound for bound, _ in colours)
    lightness = [luminance_of(_rgb(number)) for _, number in colours]
    assert lightness == sorted(lightness)
    assert all(1.05 / (luminance_of(_rgb(number)) + 0.05) > 4.5 for _, number in terminal._DARK)
    assert all((luminance_of(_rgb(number)) + 0.05) / 0.05 > 4.5 for _, number in terminal._PALE)
