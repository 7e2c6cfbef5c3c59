"""Maps as lines of text: shaded cells with numbers, in colour or without, as many heads side by side as fit.

A map that is too wide for numbers of two decimals has numbers of one digit, then only shades; one that is too wide for
those is shown in parts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import NamedTuple

from gpt_data.wording import count_of
from numpy_gpt.shared.attention.drawing.labels import HOW_TO_READ, heading_of, number_text, shorten, source_of
from numpy_gpt.shared.attention.maps import AttentionMaps
from numpy_gpt.shared.attention.sentences import measure_heads
from numpy_gpt.shared.model.arrays import Array

_NARROWEST, _WIDE, _WIDEST_PROSE = 40, 60, 100  # columns
_GAP = 3  # columns between two heads
_LEAST_PANEL = 30  # columns for a head's sentence, even if its map is narrower
_LONGEST_LABEL = 12
_TALLEST_HEADING = 8  # letters of a column's word, which is written downwards
_SHADES = ((0.0, " "), (0.05, "░"), (0.2, "▒"), (0.4, "▓"), (0.7, "█"))
_DARK = ((0.0, 234), (0.02, 53), (0.05, 89), (0.1, 125), (0.2, 161))  # of 256 colours
_PALE = ((0.3, 203), (0.45, 209), (0.6, 216), (0.75, 223), (0.9, 230))
_MASKED = "·"


class _Form(NamedTuple):
    """How cells are written: their columns, how many characters the number takes, and how that is explained."""

    width: int
    digits: int
    explanation: str


_FORMS = (
    _Form(4, 3, ""),
    _Form(2, 1, "Each digit is a tenth, rounded down: 9 is 0.9 to 1."),
    _Form(1, 0, "The map is too wide for numbers; --html and --json have them."),
)


class _Look(NamedTuple):
    """How the maps of a text are written: the form of cells, columns for labels, keys in a part, and colour."""

    form: _Form
    label_width: int
    keys: int
    colour: bool

    def map_width(self, keys: int) -> int:
        return self.label_width + 1 + keys * self.form.width


def map_lines(maps: AttentionMaps, width: int, *, colour: bool) -> Iterator[str]:
    """Yield the maps of all heads as lines that fit a terminal of ``width`` columns, or of 40 if it is narrower."""
    width = max(width, _NARROWEST)
    look = _choose_look(maps, width, colour)
    prose = min(width, _WIDEST_PROSE)
    yield from (_style("1", line, colour) for line in wrap(heading_of(maps), prose))
    yield from wrap(source_of(maps), prose)
    yield ""
    yield from wrap(f"{HOW_TO_READ}, written {_MASKED}. {look.form.explanation} {_parts_text(maps, look)}", prose)
    yield _legend(look, width)
    for layer, weights, measured in zip(maps.layers, maps.weights, measure_heads(maps), strict=True):
        panels = [
            _panel(f"layer {layer}, head {head}", maps.words, matrix, one.sentence(), look, width)
            for head, matrix, one in zip(maps.heads, weights, measured, strict=True)
        ]
        yield from _side_by_side(panels, width)


def _choose_look(maps: AttentionMaps, width: int, colour: bool) -> _Look:
    time = len(maps.words)
    label_width = min(max(map(_columns_of, maps.words)), _LONGEST_LABEL)
    widest = max(_columns_of(letter) for word in maps.words for letter in _letters_of(word))
    forms = [form._replace(width=max(form.width, widest)) for form in _FORMS]
    for form in forms:
        look = _Look(form, label_width, time, colour)
        if look.map_width(time) <= width:
            return look
    return look._replace(keys=(width - label_width - 1) // look.form.width)


def _parts_text(maps: AttentionMaps, look: _Look) -> str:
    time = len(maps.words)
    if look.keys >= time:
        return ""
    return f"It is shown in {-(-time // look.keys)} parts of up to {count_of(look.keys, 'token')}."


def _legend(look: _Look, width: int) -> str:
    """Return from which weight on each shade or colour is used."""
    if look.colour:
        gap = " " if width >= _WIDE else ""
        return "from " + "".join(_on_colour(bound, gap + number_text(bound) + gap) for bound, _ in (*_DARK, *_PALE))
    return f"from {'  '.join(f'{shade} {number_text(bound)}' for bound, shade in _SHADES[1:])}"


class _Panel(NamedTuple):
    """Lines, each with its number of columns on the screen."""

    lines: list[tuple[str, int]]

    @property
    def width(self) -> int:
        return max(columns for _, columns in self.lines)


def _panel(title: str, words: Sequence[str], weights: Array, sentence: str, look: _Look, width: int) -> _Panel:
    time = len(words)
    plain = min(max(look.map_width(min(look.keys, time)), _LEAST_PANEL), width)
    lines = [(_style("1", title, look.colour), len(title))]
    for start in range(0, time, look.keys):
        end = min(start + look.keys, time)
        if look.keys < time:
            part = f"attention to tokens {start + 1} to {end} of {time}"
            lines.append((part, len(part)))
        lines += _heading_lines(words[start:end], look)
        lines += [_row(words[query], weights[query], query, start, end, look) for query in range(start, time)]
    lines += [(line, _columns_of(line)) for line in wrap(sentence, plain)]
    return _Panel(lines)


def _heading_lines(words: Sequence[str], look: _Look) -> list[tuple[str, int]]:
    """Return the words of the columns: side by side if each fits above its cells, otherwise written downwards."""
    width = look.form.width
    if max(map(_columns_of, words)) < width or width == 1 == max(map(_columns_of, words)):
        rows = [list(words)]
    else:
        columns = [_letters_of(shorten(word, _TALLEST_HEADING)) for word in words]
        height = max(map(len, columns))
        rows = [list(row) for row in zip(*([""] * (height - len(column)) + column for column in columns), strict=True)]
    return [
        (" " * (look.label_width + 1) + "".join(_right(letter, width) for letter in row), look.map_width(len(words)))
        for row in rows
    ]


def _row(word: str, weights: Array, query: int, start: int, end: int, look: _Look) -> tuple[str, int]:
    """Return a query's row: its weights of the keys from ``start`` to before ``end``."""
    label = _right(_fit(word, look.label_width), look.label_width)
    seen = "".join(_cell(float(weight), look) for weight in weights[start : min(query + 1, end)])
    future = _right(_MASKED, look.form.width) * max(0, end - max(query + 1, start))
    return f"{label} {seen}{_style('2', future, look.colour and future != '')}", look.map_width(end - start)


def _cell(weight: float, look: _Look) -> str:
    digits = {3: number_text(weight), 1: str(min(int(weight * 10), 9)), 0: ""}[look.form.digits]
    if look.colour:
        return _on_colour(weight, f"{digits:>{look.form.width}}")
    shade = [shade for bound, shade in _SHADES if weight >= bound][-1]
    return f"{shade * (look.form.width - len(digits))}{digits}"


def _on_colour(weight: float, text: str) -> str:
    colour = [colour for bound, colour in (*_DARK, *_PALE) if weight >= bound][-1]
    ink = 16 if weight >= _PALE[0][0] else 255
    return f"\x1b[38;5;{ink};48;5;{colour}m{text}\x1b[0m"


def _style(code: str, text: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _side_by_side(panels: Sequence[_Panel], width: int) -> Iterator[str]:
    """Yield panels next to each other, as many as fit, and the others below, each row after an empty line."""
    widest = max(panel.width for panel in panels)
    count = max(1, (width + _GAP) // (widest + _GAP))
    for first in range(0, len(panels), count):
        yield ""
        for row in zip_longest(*(panel.lines for panel in panels[first : first + count]), fillvalue=("", 0)):
            yield (" " * _GAP).join(line + " " * (widest - columns) for line, columns in row).rstrip()


def _right(text: str, width: int) -> str:
    return " " * (width - _columns_of(text)) + text


def _fit(word: str, columns: int) -> str:
    """Return as much of a word as fits, with … if that is not all."""
    if _columns_of(word) <= columns:
        return word
    word = word[: columns - 1]
    while _columns_of(word) >= columns:
        word = word[:-1]
    return f"{word}…"


def _letters_of(word: str) -> list[str]:
    """Return the letters of a word, each with the combining marks on it."""
    letters: list[str] = []
    for character in word:
        if unicodedata.combining(character) and letters:
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _columns_of(text: str) -> int:
    """Return how many columns a terminal takes for a text without control characters."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
