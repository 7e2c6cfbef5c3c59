"""A growth made by hand, for the tests of what draws it."""

from __future__ import annotations

import numpy as np

from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.attention.growth import Growth
from parity_tests.shared.attention.map_examples import maps_of, random_weights


def random_growth(text, steps=(0, 1, 7, 300), layers=1, heads=2, found=None):
    """Return random maps of a text of words at each of the steps, with losses that fall."""
    rng, time = np.random.default_rng(3), len(WordTokenizer.from_text(text).encode(text))
    maps = tuple(maps_of(text, random_weights(rng, layers, heads, time)) for _ in steps)
    losses = tuple(4.0 - number / 2 for number in range(len(steps)))
    curve = sorted({**dict(zip(steps, losses, strict=True)), 100: 2.75}.items())
    return Growth("a run", tuple(steps), maps, losses, tuple(curve), found or len(steps))
