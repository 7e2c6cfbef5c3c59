"""A figure of matplotlib on which things stand at places in inches from the upper left corner."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np

from numpy_gpt.shared.attention.drawing.palette import PAPER
from numpy_gpt.shared.figures import plot_library

SMALL, NORMAL, TITLE = 8.0, 9.5, 14.0
"""Sizes of text in points."""

POINTS = 72
"""Points in an inch."""

_LETTER, _LINE = 0.6, 1.35  # width of a letter and height of a line, of the letter's height
_DPI, _MOST_PIXELS = 120, 8000


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure; a very large one has a lower resolution.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    dpi = min(_DPI, _MOST_PIXELS / max(width, height))
    return plot_library("matplotlib.figure").Figure(figsize=(width, height), dpi=dpi, facecolor="white")


def add_axes(figure: Any, left: float, top: float, width: float, height: float) -> Any:
    """Return new axes at this place."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def write(figure: Any, left: float, top: float, text: str, points: float, weight: str = "normal") -> None:
    """Write text at this place."""
    across, down = figure.get_size_inches()
    place, font = (left / across, 1 - top / down), {"fontsize": points, "fontweight": weight, "linespacing": 1.2}
    figure.text(*place, text, ha="left", va="top", parse_math=False, **font)


def wrap(text: str, points: float, width: float) -> str:
    """Return the text in lines that fit the width."""
    return fill(text, max(10, int(width * POINTS / (_LETTER * 0.92 * points))))


def height_of(text: str, points: float) -> float:
    """Return the height of lines of text."""
    return (text.count("\n") + 1) * points * _LINE / POINTS


def label_width(labels: Sequence[str], points: float) -> float:
    """Return the width that the longest of the labels needs, with the gap to what it names."""
    return max(map(len, labels)) * _LETTER * points / POINTS + 0.12


def colour_map() -> Any:
    """Return the palette for weights from 0 to 1."""
    return plot_library("matplotlib.colors").LinearSegmentedColormap.from_list("magma on paper", PAPER)


def draw_colour_bar(figure: Any, left: float, top: float) -> None:
    """Draw the palette with its weights."""
    axes = add_axes(figure, left, top, 2.4, 0.13)
    axes.imshow(np.linspace(0, 1, 257)[None], cmap=colour_map(), vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"], fontsize=SMALL)
    axes.tick_params(length=2)
    write(figure, left + 2.65, top - 0.02, "weight: the share of a row's attention", SMALL)
