"""Maps in the terminal: lines fit, cells say what the weights are, and what does not fit is said."""

from __future__ import annotations

import re

import numpy as np
import pytest

from numpy_gpt.shared.attention.drawing.labels import number_text
from numpy_gpt.shared.attention.drawing.terminal import _DARK, _PALE, _SHADES, _columns_of, map_lines
from parity_tests.shared.attention.map_examples import maps_of, random_maps

ANSI = re.compile(r"\x1b\[[0-9;]*m")
LETTERS = "the quick brown fox jumps over the lazy dog and sees 12 of 345 !"
SENTENCE = "the quick fox chases the lazy dogs"


def _lines(maps, width=80, colour=False):
    lines = list(map_lines(maps, width, colour=colour))
    assert all(_columns_of(ANSI.sub("", line)) <= max(width, 40) for line in lines)
    assert colour == any("\x1b" in line for line in lines)
    return lines


def _rows(lines, maps, label_width):
    """Return the rows of the first map of a terminal that has one map in a row, without labels."""
    start = next(place for place, line in enumerate(lines) if ANSI.sub("", line).startswith("layer"))
    rows = [line for line in lines[start + 1 :] if line[label_width : label_width + 1] == " " and "layer" not in line]
    return [line[label_width + 1 :] for line in rows if line[: label_width + 1].strip()][: len(maps.words)]


def test_numbers_are_the_weights():
    maps = random_maps(SENTENCE)
    rows = _rows(_lines(maps), maps, 6)
    for query, row in enumerate(rows):
        cells = [row[start : start + 4] for start in range(0, 4 * len(maps.words), 4)]
        for key, cell in enumerate(cells):
            weight = maps.weights[0, 0, query, key]
            shade = [shade for bound, shade in _SHADES if weight >= bound][-1]
            assert cell == ("   ·" if key > query else f"{number_text(weight):{shade}>4}")


def test_words_stand_on_both_axes():
    maps = random_maps(SENTENCE)
    lines = _lines(maps)
    first = lines.index("layer 0, head 0") + 1
    heading = [line.ljust(80) for line in lines[first : first + 6]]
    columns = ["".join(line[7 + 4 * key + 3] for line in heading).strip() for key in range(len(maps.words))]
    assert columns == list(maps.words)
    assert [line[:6].strip() for line in lines[first + 6 : first + 6 + len(maps.words)]] == list(maps.words)


def test_colours_are_those_of_the_weights():
    maps = random_maps(SENTENCE)
    lines = _lines(maps, colour=True)
    plain = [ANSI.sub("", line) for line in lines]
    start = plain.index("layer 0, head 0") + 7
    for query in range(len(maps.words)):
        found = re.findall(r"\x1b\[38;5;(16|255);48;5;(\d+)m( *[\d.]+)\x1b\[0m", lines[start + query])
        weights = maps.weights[0, 0, query, : query + 1]
        assert [text.strip() for _, _, text in found] == [number_text(weight) for weight in weights]
        colours = [[colour for bound, colour in (*_DARK, *_PALE) if weight >= bound][-1] for weight in weights]
        assert [int(colour) for _, colour, _ in found] == colours
        assert plain[start + query].count("·") == len(maps.words) - query - 1


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [0, 40, 60, 80, 200])
@pytest.mark.parametrize(
    ("text", "words"),
    [("a", True), ("hello world", True), (SENTENCE, True), (LETTERS, False), ("運転 手は運転 e\u0301", False)],
)
def test_lines_fit_the_terminal(text, words, width, colour):
    maps = random_maps(text, 2, 3, words=words)
    text = "\n".join(_lines(maps, width, colour))
    for layer in range(2):
        for head in range(3):
            assert text.count(f"layer {layer}, head {head}") == 1


def test_heads_stand_side_by_side_where_there_is_room():
    maps = random_maps("hello world", 2, 3)
    assert sum("layer 1" in line for line in _lines(maps, 40)) == 3
    assert sum("layer 1" in line for line in _lines(maps, 80)) == 2
    assert sum("layer 1" in line for line in _lines(maps, 120)) == 1


def test_less_room_means_fewer_digits_then_shades_then_parts():
    weights = np.zeros((1, 1, 64, 64))
    weights[0, 0, np.arange(64), 0] = 0.87
    weights[0, 0, np.arange(1, 64), np.arange(1, 64)] = 0.13
    weights[0, 0, 0, 0] = 1
    maps = maps_of(LETTERS, weights, words=False)
    two, one, shades, parts = (_rows(_lines(maps, width), maps, 1) for width in (258, 130, 66, 50))
    assert two[2].startswith("█.87   0░.13   ·")
    assert one[2].startswith("█8 0░1 ·")
    assert shades[2] == "█ ░" + 61 * "·"
    assert parts[2] == "█ ░" + 45 * "·"
    said = " ".join(_lines(maps, 50))
    assert "The map is too wide for numbers" in said
    assert "It is shown in 2 parts of up to 48 tokens." in said
    assert said.index("attention to tokens 1 to 48 of 64") < said.index("attention to tokens 49 to 64 of 64")
    assert "The map" not in " ".join(_lines(maps, 130))
    assert "Each digit is a tenth, rounded down: 9 is 0.9 to 1." in " ".join(_lines(maps, 130)).replace("  ", " ")


def test_parts_have_every_weight_once():
    maps = random_maps(LETTERS, words=False)
    lines = _lines(maps, 50)
    second = lines.index("attention to tokens 49 to 64 of 64")
    assert lines[second + 1] == f"  {''.join(maps.words[48:])}"
    shade = {
        (query, key): [s for b, s in _SHADES if maps.weights[0, 0, query, key] >= b][-1]
        for query, key in [(query, key) for query in range(48, 64) for key in range(48, query + 1)]
    }
    for query in range(48, 64):
        expected = "".join(shade.get((query, key), "·") for key in range(48, 64))
        assert lines[second + 2 + query - 48] == f"{maps.words[query]} {expected}".rstrip()


def test_long_words_are_cut():
    maps = random_maps("incomprehensibilities")
    lines = _lines(maps, 40)
    assert any(line.startswith("incomprehen… ") for line in lines)
    start = lines.index("layer 0, head 0") + 1
    assert "".join(line.strip() for line in lines[start : start + 8]) == "incompr…"
