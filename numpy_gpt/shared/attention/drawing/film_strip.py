"""The growth of attention as a film strip, as a PNG: a row for each head, a column for each snapshot, losses below.

Lengths are in inches.
"""

from __future__ import annotations

import math
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
from numpy_gpt.shared.attention.drawing.growth_table import heading_of, shown_of
from numpy_gpt.shared.attention.drawing.labels import shorten
from numpy_gpt.shared.attention.growth import Growth, HeadGrowth, head_growths
from numpy_gpt.shared.figures import png_bytes
from numpy_gpt.shared.model.arrays import Array

_LARGEST_CELL, _SMALLEST_CELL = 0.17, 0.03
_MAP = 1.5  # the width of a map whose cells are neither the largest nor the smallest
_NARROWEST_MAP = 0.9
_LARGEST_LABEL, _SMALLEST_LABEL = 8.0, 4.5  # points
_LABEL = 0.95  # height of a label, of its cell's
_LONGEST_LABEL = 14
_GAP, _BETWEEN = 0.3, 0.08
_FRAME = 0.5  # points
_CHART = 1.9  # the height of the losses
_CHART_AXIS = 0.75
_FOOT = 0.7
_NARROWEST = 8.0
_MOST_HEADS = 200
_LOSS, _MARK = "#38106c", "#c73d73"
_HOW = (
    "Each small picture is one head's attention: a row is a token that attends, a column a token that it attends to, "
    "as named at the first picture; later tokens are left out. Rows of pictures are heads, columns are training steps."
)


class _Layout(NamedTuple):
    """The sizes of a strip: of a map, and of the labels to its left and above; every ``step`` tokens one is named."""

    map: float
    step: int
    label_points: float
    left: float
    above: float
    right: float


def strip_png(growth: Growth) -> bytes:
    """Return the film strip as a PNG file.

    Raises
    ------
    UserError
        If matplotlib is not installed, or there are too many heads for a strip.
    """
    figure = draw_strip(growth)
    return png_bytes(figure, figure.dpi)


def draw_strip(growth: Growth) -> Any:
    """Return the strip as a figure of matplotlib; its axes are the maps, row by row, the losses and the colour bar.

    Raises
    ------
    UserError
        If matplotlib is not installed, or there are too many heads for a strip.
    """
    rows = head_growths(growth)
    if len(rows) > _MOST_HEADS:
        more = f"{len(rows):,}; choose a --layer or a --head"
        raise UserError(f"a film strip has room for {_MOST_HEADS} heads, and this model has {more}")
    layout, columns = _choose_layout(growth, rows), len(growth.steps)
    width = max(_GAP + layout.left + columns * (layout.map + _BETWEEN) + layout.right + _GAP, _NARROWEST)
    title = wrap(heading_of(growth), TITLE, width - 2 * _GAP)
    named = "" if layout.step == 1 else f" Of every {layout.step} tokens one is named."
    intro = wrap(f"{shown_of(growth)}. {_HOW}{named}", NORMAL, width - 2 * _GAP)
    head = _GAP + height_of(title, TITLE) + height_of(intro, NORMAL) + _GAP
    row_height = layout.map + _BETWEEN
    bottom = head + layout.above + len(rows) * row_height
    figure = new_figure(width, bottom + _GAP + _CHART + _CHART_AXIS + _FOOT)
    write(figure, _GAP, _GAP, title, TITLE, "bold")
    write(figure, _GAP, _GAP + height_of(title, TITLE), intro, NORMAL)
    _draw_heads(figure, growth, rows, layout, head)
    chart_left = _GAP + 0.75
    _draw_losses(add_axes(figure, chart_left, bottom + _GAP, width - chart_left - _GAP, _CHART), growth)
    draw_colour_bar(figure, chart_left, bottom + _GAP + _CHART + _CHART_AXIS + 0.1)
    return figure


def _draw_heads(figure: Any, growth: Growth, rows: list[HeadGrowth], layout: _Layout, top: float) -> None:
    lefts = [_GAP + layout.left + column * (layout.map + _BETWEEN) for column in range(len(growth.steps))]
    for left, step in zip(lefts, growth.steps, strict=True):
        write(figure, left, top, f"step {step:,}", SMALL, "bold")
    top += layout.above
    for row, place in zip(rows, growth.places, strict=True):
        write(figure, _GAP, top, f"layer {row.layer}\nhead {row.head}", SMALL, "bold")
        for left, maps in zip(lefts, growth.maps, strict=True):
            axes = add_axes(figure, left, top, layout.map, layout.map)
            _draw_map(axes, maps.weights[place])
            if row is rows[0] and left == lefts[0]:
                _name_axes(axes, maps.words, layout)
        write(figure, lefts[-1] + layout.map + 0.12, top, _growth_text(row, layout.right), SMALL)
        top += layout.map + _BETWEEN


def _choose_layout(growth: Growth, rows: list[HeadGrowth]) -> _Layout:
    words = growth.maps[0].words
    cell = min(max(_MAP / len(words), _SMALLEST_CELL), _LARGEST_CELL)
    size = max(cell * len(words), _NARROWEST_MAP)
    points = min(_LARGEST_LABEL, max(_SMALLEST_LABEL, _LABEL * size / len(words) * POINTS))
    label = label_width([shorten(word, _LONGEST_LABEL) for word in words], points)
    name = label_width(
        [f"{kind} {number}" for row in rows for kind, number in (("layer", row.layer), ("head", row.head))], SMALL
    )
    step = math.ceil(_SMALLEST_LABEL / (_LABEL * size / len(words) * POINTS))
    return _Layout(size, step, points, label + name, label + 0.25, 2.1)


def _draw_map(axes: Any, weights: Array) -> None:
    future = np.triu(np.ones(weights.shape, bool), 1)
    axes.imshow(np.ma.array(weights, mask=future), cmap=colour_map(), vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#d5d9df")
        spine.set_linewidth(_FRAME)


def _name_axes(axes: Any, words: tuple[str, ...], layout: _Layout) -> None:
    """Write the words on both axes."""
    labels = [shorten(word, _LONGEST_LABEL) for word in words[:: layout.step]]
    axes.xaxis.tick_top()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(0, len(words), layout.step), labels, fontsize=layout.label_points, parse_math=False)
    for label in axes.get_xticklabels():
        label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    axes.tick_params(length=0, pad=2)


def _growth_text(row: HeadGrowth, width: float) -> str:
    if row.last.main is None:
        return row.title
    change = f"{row.shares[0]:.2f} to {row.shares[-1]:.2f} of its attention"
    return wrap(f"{row.title}: {change} ({row.last.main.even_share:.2f} if spread evenly)", SMALL, width - 0.2)


def _draw_losses(axes: Any, growth: Growth) -> None:
    axes.plot(*zip(*growth.curve, strict=True), color=_LOSS, linewidth=1.3)
    axes.plot(growth.steps, growth.losses, "o", color=_MARK, markersize=5, label="snapshots")
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)  # step 0 has no logarithm
    axes.set_xlim(-0.2, max(growth.curve[-1][0], 1) * 1.25)
    axes.set_xticks(growth.steps, [f"{step:,}" for step in growth.steps], fontsize=SMALL, rotation=45, ha="right")
    axes.minorticks_off()
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel("training step, on a logarithmic scale from 1", fontsize=SMALL)
    axes.set_ylabel("validation loss,\nnats per token", fontsize=SMALL)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for step, loss in zip(growth.steps, growth.losses, strict=True):
        axes.annotate(f"{loss:.2f}", (step, loss), (0, 6), textcoords="offset points", ha="center", fontsize=SMALL - 1)
    axes.margins(y=0.2)
