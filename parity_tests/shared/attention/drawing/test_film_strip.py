"""The film strip's content: a picture for each head and snapshot with its weights, and the losses on a log axis."""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.attention.drawing.film_strip import draw_strip, strip_png
from numpy_gpt.shared.attention.drawing.palette import colour_of
from numpy_gpt.shared.attention.growth import head_growths
from numpy_gpt.shared.figures import png_bytes
from parity_tests.shared.attention.growth_examples import random_growth

TEXT = "the cat sees the dogs and sleeps"


def test_pictures_have_the_colours_of_their_weights():
    image_of = pytest.importorskip("matplotlib.image").imread
    growth = random_growth(TEXT, steps=(0, 1, 7))
    figure = draw_strip(growth)
    image = image_of(BytesIO(png_bytes(figure, figure.dpi)), format="png")[:, :, :3] * 255
    *panels, losses, bar = figure.axes
    assert len(panels) == 2 * 3
    time = len(growth.maps[0].words)
    past, (queries, keys) = np.tri(time, dtype=bool), np.mgrid[:time, :time]
    weights = [maps.weights[place] for place in growth.places for maps in growth.maps]
    for axes, wanted in zip(panels, weights, strict=True):
        places = axes.transData.transform(np.stack([keys, queries], -1).reshape(-1, 2))
        picture = image[(len(image) - places[:, 1]).astype(int), places[:, 0].astype(int)].reshape(time, time, 3)
        assert (picture[~past] == 255).all()
        assert np.abs(picture[past] - [colour_of(weight) for weight in wanted[past]]).max() <= 3
        light = (picture[past] @ [0.2126, 0.7152, 0.0722])[np.argsort(wanted[past], kind="stable")]
        assert (np.diff(light) <= 0.5).all()
    # the rows of pictures are heads, the columns steps, from left to right
    lefts = np.array([axes.get_position().x0 for axes in panels]).reshape(2, 3)
    tops = np.array([axes.get_position().y1 for axes in panels]).reshape(2, 3)
    assert (np.diff(lefts, axis=1) > 0).all() and np.ptp(lefts, axis=0).max() < 1e-9
    assert (np.diff(tops, axis=0) < 0).all() and np.ptp(tops, axis=1).max() < 1e-9
    assert losses.get_position().y1 < tops.min() and bar.get_position().y1 < losses.get_position().y0


def test_losses_stand_at_their_steps():
    pytest.importorskip("matplotlib")
    growth = random_growth(TEXT)
    *_, losses, _ = draw_strip(growth).axes
    curve, marks = losses.get_lines()
    assert tuple(map(tuple, curve.get_xydata())) == growth.curve
    assert list(map(tuple, marks.get_xydata())) == list(zip(growth.steps, growth.losses, strict=True))
    assert losses.get_xscale() == "symlog"
    assert [label.get_text() for label in losses.get_xticklabels()] == ["0", "1", "7", "300"]
    across = losses.transData.transform([(step, 3) for step in (1, 10, 100, 1000)])[:, 0]
    assert np.ptp(np.diff(across)) < 1e-6  # each power of 10 takes the same room
    assert {text.get_text() for text in losses.texts} == {"4.00", "3.50", "3.00", "2.50"}


def test_words_steps_and_sentences_are_written():
    pytest.importorskip("matplotlib")
    growth = random_growth("$x$ _b <i> d\u202e")
    figure = draw_strip(growth)
    texts = [text.get_text() for text in figure.texts]
    assert texts[0].startswith("How attention grew in training: '$x$ _b <i> d\\u202e'")
    assert {"step 0", "step 1", "step 7", "step 300"} <= {*texts}
    words = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert words == list(growth.maps[0].words) == [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert not any(axes.get_yticklabels() for axes in figure.axes[1:8])
    for row in head_growths(growth):
        told = f"{row.title}: {row.shares[0]:.2f} to {row.shares[-1]:.2f} of its attention"
        assert any(told in text.replace("\n", " ") for text in texts)
    assert strip_png(growth).startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["a", "word " * 59 + "end"])
def test_short_and_long_texts_have_a_strip(text):
    pytest.importorskip("matplotlib")
    growth = random_growth(text, steps=(0, 1), heads=1)
    figure = draw_strip(growth)
    assert max(figure.get_size_inches()) * figure.dpi <= 8001
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    time = len(growth.maps[0].words)
    step = -(-time // len(shown))
    assert len(shown) == len(range(0, time, step))
    told = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert (f"Of every {step} tokens one is named." in told) == (step > 1) == (time > 100)


def test_too_many_heads_and_no_library_are_one_line(monkeypatch):
    with pytest.raises(
        UserError, match="a film strip has room for 200 heads, and this model has 201; choose a --layer"
    ):
        draw_strip(random_growth("a b", steps=(0, 1), heads=201))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r'pip install "numpy-gpt\[plot\]"'):
        strip_png(random_growth("a b"))
