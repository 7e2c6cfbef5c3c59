"""All maps on one sheet, as a PNG: a row for each layer, a column for each head. Lengths are in inches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.attention.drawing.canvas import (
    NORMAL,
    POINTS,
    SMALL,
    TITLE,
    add_axes,
    colour_map,
    draw_colour_bar,
    height_of,
    label_width,
    new_figure,
    wrap,
    write,
)
from numpy_gpt.shared.attention.drawing.labels import HOW_TO_READ, heading_of, number_text, shorten, source_of
from numpy_gpt.shared.attention.drawing.palette import colour_of, is_dark
from numpy_gpt.shared.attention.maps import AttentionMaps
from numpy_gpt.shared.attention.sentences import measure_heads
from numpy_gpt.shared.figures import png_bytes
from numpy_gpt.shared.model.arrays import Array

_MAP = 4.8  # the width of a map whose cells are neither the largest nor the smallest
_LARGEST_CELL, _SMALLEST_CELL = 0.3, 0.095
_MOST_NAMED = 64  # tokens of a map; of a longer text not every one is named, and cells are smaller
_CELL_WITH_NUMBER = 0.24
_LONGEST_LABEL = 14
_NARROWEST_PANEL = 2.7  # for its sentence
_NARROWEST_SHEET = 6.0  # for its title
_GAP = 0.3
_FOOT = 0.8  # the colour bar
_GRID = 3.0  # width of the lines between cells in points, of the cell's width in inches
_MOST_MAPS = 400


class _Layout(NamedTuple):
    """The sizes of a panel's parts: cells, their labels on the left and above, and the title and sentence of a map."""

    tokens: int
    cell: float
    label_points: float
    left: float
    above: float
    below: float

    @property
    def map(self) -> float:
        return self.cell * self.tokens

    @property
    def step(self) -> int:
        """The distance between tokens that are named."""
        return -(-self.tokens // _MOST_NAMED)

    @property
    def width(self) -> float:
        return max(self.left + self.map, _NARROWEST_PANEL) + _GAP

    @property
    def height(self) -> float:
        return self.above + self.map + self.below


def sheet_png(maps: AttentionMaps) -> bytes:
    """Return the sheet as a PNG file.

    Raises
    ------
    UserError
        If matplotlib is not installed, or there are too many maps for a sheet.
    """
    figure = draw_sheet(maps)
    return png_bytes(figure, figure.dpi)


def draw_sheet(maps: AttentionMaps) -> Any:
    """Return the sheet as a figure of matplotlib; its axes are the maps, in order, and the colour bar.

    Raises
    ------
    UserError
        If matplotlib is not installed, or there are too many maps for a sheet.
    """
    rows, columns = len(maps.layers), len(maps.heads)
    if rows * columns > _MOST_MAPS:
        more = f"{rows * columns:,}; choose a --layer or a --head"
        raise UserError(f"a sheet has room for {_MOST_MAPS} maps, and this model has {more}")
    layout = _choose_layout(maps)
    width = max(_GAP + columns * layout.width, _NARROWEST_SHEET)
    named = "" if layout.step == 1 else f" Of every {layout.step} tokens one is named."
    intro = f"{source_of(maps)}. {HOW_TO_READ}, and is left out.{named}"
    title, intro = wrap(heading_of(maps), TITLE, width - 2 * _GAP), wrap(intro, NORMAL, width - 2 * _GAP)
    head = _GAP + height_of(title, TITLE) + height_of(intro, NORMAL) + _GAP
    height = head + rows * layout.height + _FOOT
    figure = new_figure(width, height)
    write(figure, _GAP, _GAP, title, TITLE, "bold")
    write(figure, _GAP, _GAP + height_of(title, TITLE), intro, NORMAL)
    for row, measured in enumerate(measure_heads(maps)):
        for column, measurement in enumerate(measured):
            left, top = _GAP + column * layout.width, head + row * layout.height
            name = f"layer {maps.layers[row]}, head {maps.heads[column]}"
            write(figure, left + layout.left, top, name, NORMAL, "bold")
            axes = add_axes(figure, left + layout.left, top + layout.above, layout.map, layout.map)
            _draw_map(axes, maps.weights[row, column], maps.words, layout)
            sentence = wrap(measurement.sentence(), SMALL, layout.width - layout.left - _GAP)
            write(figure, left + layout.left, top + layout.above + layout.map + 0.07, sentence, SMALL)
    draw_colour_bar(figure, _GAP + layout.left, height - _FOOT + 0.2)
    return figure


def _choose_layout(maps: AttentionMaps) -> _Layout:
    time = len(maps.words)
    cell = min(max(_MAP / time, _SMALLEST_CELL), _LARGEST_CELL, _MOST_NAMED * _SMALLEST_CELL / time)
    points = min(NORMAL, 0.95 * max(cell, _SMALLEST_CELL) * POINTS)
    label = label_width([shorten(word, _LONGEST_LABEL) for word in maps.words], points)
    layout = _Layout(time, cell, points, label, label + height_of("", NORMAL) + 0.05, 0.0)
    room = layout.width - layout.left - _GAP
    sentences = [wrap(one.sentence(), SMALL, room) for measured in measure_heads(maps) for one in measured]
    return layout._replace(below=max(height_of(sentence, SMALL) for sentence in sentences) + 0.07 + _GAP)


def _draw_map(axes: Any, weights: Array, words: tuple[str, ...], layout: _Layout) -> None:
    time = len(words)
    future = np.triu(np.ones((time, time), bool), 1)
    axes.imshow(np.ma.array(weights, mask=future), cmap=colour_map(), vmin=0, vmax=1, interpolation="nearest")
    for spine in axes.spines.values():
        spine.set_visible(False)
    labels = [shorten(word, _LONGEST_LABEL) for word in words[:: layout.step]]
    axes.xaxis.tick_top()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(0, time, layout.step), labels, fontsize=layout.label_points, parse_math=False)
    for label in axes.get_xticklabels():
        label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    axes.tick_params(length=0, pad=3)
    edges = np.arange(time + 1) - 0.5
    axes.hlines(edges, -0.5, np.minimum(edges + 1, time - 0.5), "white", linewidth=_GRID * layout.cell)
    axes.vlines(edges, np.maximum(edges - 1, -0.5), time - 0.5, "white", linewidth=_GRID * layout.cell)
    if layout.cell < _CELL_WITH_NUMBER:
        return
    for query in range(time):
        for key in range(query + 1):
            weight = float(weights[query, key])
            ink = "white" if is_dark(colour_of(weight)) else "black"
            points = 0.36 * layout.cell * POINTS
            axes.text(key, query, number_text(weight), ha="center", va="center_baseline", fontsize=points, color=ink)
