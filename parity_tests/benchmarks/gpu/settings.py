"""A setting of the preset tiny on the CPU, and the rows of a printed table."""

from __future__ import annotations

from benchmarks.gpu.modes import Setting
from benchmarks.support.text import text_for
from numpy_gpt.shared.training.presets import preset


def tiny_setting(steps=30, **changes):
    """Return a setting of the preset tiny with these changes."""
    recipe = preset("tiny").override({"warmup_iters": 0, **changes})
    return Setting(recipe, text_for(recipe, None), "cpu", steps)


def rows_of(table):
    """Return the rows of a Markdown table, given as lines, which must have equally many cells."""
    assert len({line.count("|") for line in table}) == 1
    return table[2:]
