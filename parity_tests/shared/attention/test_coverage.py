"""The intervals of the differences, controls included, cover the differences of the text that the windows come from."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.attention.bootstrap import bootstrap
from numpy_gpt.shared.attention.shares import Sums, figures, sum_attention
from numpy_gpt.shared.attention.targets import TARGETS
from parity_tests.shared.attention.scripted import ScriptedAttention

TOKENIZER = WordTokenizer.from_text("a b c")
TEXT, SAMPLE, CASES, TIME = 2000, 80, 400, 6


def _differences(*parts):
    return figures(Sums(*parts), TARGETS).differences()[..., :2]


def _text():
    """Return the sums of a long text: each window's tokens and attention are its own, and favour the same offsets."""
    rng = np.random.default_rng(0)
    windows = list(rng.integers(TOKENIZER.vocab_size, size=(TEXT, TIME)))
    scores = (
        rng.normal(size=(2, TIME, TIME)) + rng.normal(size=(TEXT, 2, 1, TIME)) + rng.normal(size=(TEXT, 1, TIME, TIME))
    )
    weights = np.tril(np.exp(scores))
    weights /= weights.sum(-1, keepdims=True)
    return sum_attention(ScriptedAttention(list(weights), rows=100), windows, TOKENIZER, TARGETS)


@pytest.mark.prove
def test_intervals_cover_the_differences_of_the_text():
    text = _text()
    truth = _differences(*(part.sum(0) for part in text))
    rng = np.random.default_rng(1)
    covered = np.zeros(truth.shape)
    for case in range(CASES):
        drawn = rng.integers(TEXT, size=SAMPLE)
        interval = bootstrap([part[drawn] for part in text], _differences, samples=300, seed=case)
        covered += (interval.lower <= truth) & (truth <= interval.upper)
    shares = covered[np.isfinite(truth)] / CASES
    assert shares.size == 2 * (3 + 4 * 2)
    # Expected are 0.95, with a standard deviation of 0.011 each; percentile intervals of 80 windows are a little short.
    assert 0.925 <= shares.mean() <= 0.965
    assert shares.min() >= 0.89
