"""The growth in a terminal: every share and loss stands under its step, in as many parts as the width needs."""

from __future__ import annotations

import pytest

from numpy_gpt.shared.attention.drawing.growth_table import growth_lines
from numpy_gpt.shared.attention.growth import head_growths
from parity_tests.shared.attention.growth_examples import random_growth


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_numbers_stand_under_their_steps(columns):
    growth = random_growth("the cat sees the dog", steps=(0, 1, 5, 20, 99, 1000, 1234567))
    lines = list(growth_lines(growth, columns))
    rows = head_growths(growth)
    found = {"after step": [], "validation loss": [], **{f"layer {row.layer} head {row.head}": [] for row in rows}}
    table = lines[next(place for place, line in enumerate(lines) if line.startswith("after step")) :]
    for line in table:
        assert len(line) <= columns
        for name in found:
            if line.startswith(name):
                found[name] += line.removeprefix(name).split()
    even = found["after step"].count("even")
    assert even == table.count("") + 1
    assert [word for word in found["after step"] if word != "even"] == [str(step) for step in growth.steps]
    assert found["validation loss"] == [f"{loss:.2f}" for loss in growth.losses]
    for row in rows:
        numbers = found[f"layer {row.layer} head {row.head}"]
        assert numbers.count(f"{row.last.main.even_share:.2f}") >= even
        shares = [f"{share:.2f}" for share in row.shares]
        assert [number for number in numbers if number in shares][: len(shares)] == shares


def test_bars_grow_with_the_shares():
    growth = random_growth("the cat sees the dog", steps=range(9))
    for row, line in zip(
        head_growths(growth), [line for line in growth_lines(growth, 80) if "▁" in line or "▂" in line], strict=False
    ):
        (bars,) = [word for word in line.split() if set(word) <= set("▁▂▃▄▅▆▇█")]
        assert len(bars) == len(row.shares)
        order = sorted(range(len(bars)), key=row.shares.__getitem__)
        assert [bars[place] for place in order] == sorted(bars)
        assert line.endswith(row.title)


def test_what_is_shown_is_said():
    lines = list(growth_lines(random_growth("a\tb c", found=30), 80))
    assert lines[0] == "How attention grew in training: 'a\\tb c'"
    assert lines[1] == "a run, 4 of its 30 snapshots"
