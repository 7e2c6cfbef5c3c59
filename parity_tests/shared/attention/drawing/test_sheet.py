"""The sheet's content, read back from the PNG: each cell has the colour of its weight; no verdict hangs on a font."""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.attention.drawing.palette import colour_of
from numpy_gpt.shared.attention.drawing.sheet import draw_sheet, sheet_png
from numpy_gpt.shared.figures import png_bytes
from parity_tests.shared.attention.map_examples import random_maps

LETTERS = "the quick brown fox jumps over the lazy dog and sees 12 of 345 "


def _pictures(maps, offset):
    """Return the colours (T, T, 3) of each map's cells at a place in the cell, 0 the centre, from the PNG."""
    image_of = pytest.importorskip("matplotlib.image").imread
    figure = draw_sheet(maps)
    image = image_of(BytesIO(png_bytes(figure, figure.dpi)), format="png")[:, :, :3]
    panels = figure.axes[:-1]  # the last one is the colour bar
    assert len(panels) == len(maps.layers) * len(maps.heads)
    time = len(maps.words)
    queries, keys = np.mgrid[:time, :time]
    for axes in panels:
        places = axes.transData.transform(np.stack([keys + offset, queries + offset], -1).reshape(-1, 2))
        columns, rows = places[:, 0].astype(int), (len(image) - places[:, 1]).astype(int)
        yield image[rows, columns].reshape(time, time, 3) * 255


@pytest.mark.parametrize(
    ("text", "words", "heads", "offset"),  # numbers stand in the middle of cells that are large enough
    [
        ("the cat sees the dogs", True, 2, 0.3),
        (LETTERS[:30], False, 2, 0.0),
        (LETTERS * 2, False, 1, 0.0),
        ("a", True, 1, 0.3),
    ],
)
def test_cells_have_the_colour_of_their_weight(text, words, heads, offset):
    maps = random_maps(text, 1, heads, words=words)
    past = np.tri(len(maps.words), dtype=bool)
    for weights, picture in zip(maps.weights.reshape(-1, *past.shape), _pictures(maps, offset), strict=True):
        assert (picture[~past] == 255).all()  # the future is left out
        order = np.argsort(weights[past], kind="stable")
        light = (picture[past] @ [0.2126, 0.7152, 0.0722])[order]
        assert (np.diff(light) <= 0.5).all()  # the larger the weight, the darker the cell, up to rounding to 8 bits
        expected = np.array([colour_of(weight) for weight in weights[past]])
        assert np.abs(picture[past] - expected).max() <= 3


def test_a_changed_weight_changes_only_its_cell():
    maps = random_maps("the cat sees")
    other = maps._replace(weights=maps.weights.copy())
    other.weights[0, 0, 3, 2] = 1 - other.weights[0, 0, 3, 2]
    (before,), (after,) = _pictures(maps, 0.3), _pictures(other, 0.3)
    assert np.argwhere((before != after).any(-1)).tolist() == [[3, 2]]


def test_the_sheet_is_deterministic():
    pytest.importorskip("matplotlib")
    maps = random_maps("$x^$ _a 運", note="tokens 1 to 9 of 12")
    assert sheet_png(maps) == sheet_png(maps)


@pytest.mark.parametrize("time", [2, 12, 23, 64])
def test_letters_are_legible(time):
    pytest.importorskip("matplotlib")
    figure = draw_sheet(random_maps((LETTERS + "!")[:time], words=False))
    labels = [*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()]
    assert len(labels) == 2 * time
    assert min(label.get_fontsize() for label in labels) * figure.dpi / 72 >= 10  # pixels
    assert len(figure.axes[0].texts) == (time * (time + 1) // 2 if time <= 20 else 0)  # numbers


def test_a_sheet_that_is_too_large_is_refused():
    pytest.importorskip("matplotlib")
    with pytest.raises(UserError, match="a sheet has room for 400 maps, and this model has 402; choose a --layer"):
        draw_sheet(random_maps("a", 201, 2))


def test_without_matplotlib(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r'drawing needs matplotlib, .*: pip install "numpy-gpt\[plot\]"'):
        sheet_png(random_maps("a"))
