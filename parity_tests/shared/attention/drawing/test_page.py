"""The page's tables: every number in them, and the exact one of each cell, is the weight; nothing is loaded."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.attention.drawing.labels import number_text
from numpy_gpt.shared.attention.drawing.page import maps_page
from numpy_gpt.shared.attention.sentences import measure_heads
from parity_tests.shared.attention.map_examples import random_maps

TEXT = "the cat & <b>dogs</b> it's"


class _Reader(HTMLParser):
    """Collect each table's rows: (tag, attributes, text) of every cell."""

    def __init__(self, page):
        super().__init__()
        self.tables: list = []
        self._cell: list | None = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self._cell = [tag, dict(attributes), ""]
            self.tables[-1][-1].append(self._cell)

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell[2] += data


def test_every_cell_is_its_weight():
    maps = random_maps(TEXT, 2, 3)
    tables = _Reader(maps_page(maps)).tables
    assert len(tables) == 6
    for (heading, *rows), weights in zip(tables, maps.weights.reshape(6, *maps.weights.shape[2:]), strict=True):
        assert [text for _, _, text in heading] == ["", *maps.words]
        assert all(attributes == {"scope": "col"} for _, attributes, _ in heading[1:])
        for query, (label, *cells) in enumerate(rows):
            assert label == ["th", {"scope": "row"}, maps.words[query]]
            assert len(cells) == len(maps.words)
            for key, (_, attributes, text) in enumerate(cells):
                weight = weights[query, key]
                if key > query:
                    assert (attributes, text) == ({"class": "future"}, "·")
                else:
                    assert float(attributes["title"]) == weight
                    assert attributes["class"] == f"w{round(weight * 100)}"
                    assert text == number_text(weight)


def test_text_is_escaped_and_sentences_are_whole():
    maps = random_maps(TEXT, 2, 2, note="tokens 1 to 9 of 12")
    page = maps_page(maps)
    assert "<b>" not in page
    assert "tokens 1 to 9 of 12" in page
    found = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert [unescape(text) for text in found] == [one.sentence() for layer in measure_heads(maps) for one in layer]


def test_the_page_loads_nothing():
    page = maps_page(random_maps(TEXT))
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=|url\(|https?:|@import", page)


def test_every_weight_has_a_colour_in_light_and_dark():
    page = maps_page(random_maps("a"))
    light, dark = page.split("@media (prefers-color-scheme: dark) {\n.w0 ")
    rule = r"^\.w(\d+) \{ background: #\w{6}; color: #\w{3}; \}"
    for part, first in ((light, 0), (dark, 1)):
        assert [int(level) for level in re.findall(rule, part, re.M)] == [*range(first, 101)]


def test_a_page_that_is_too_large_is_refused():
    maps = random_maps("a")
    large = maps._replace(weights=np.broadcast_to(maps.weights, (1, 1, 448, 448)))
    with pytest.raises(UserError, match="a web page has room for 200,000 cells, and these maps have 200,704; choose"):
        maps_page(large)
