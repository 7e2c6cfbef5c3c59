"""Shares and controls: of a text short enough to do by hand, and against sums written as plain loops."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.attention.shares import Sums, figures, sum_attention
from numpy_gpt.shared.attention.targets import TARGETS, Target, read_tokens
from parity_tests.shared.attention.scripted import ScriptedAttention

TOKENIZER = WordTokenizer.from_text("a b c")
BY_HAND = {  # share, even, position, of the text "a b" below
    "itself": ((1 + 0.75 + 0.25) / 3, (1 + 1 / 2 + 1 / 3) / 3, None),
    "previous": ((0.25 + 0.25) / 2, (1 / 2 + 1 / 3) / 2, None),
    "previous_word": ((0.25 + 0.5) / 2, (1 / 2 + 1 / 3) / 2, (0.25 + 0.5) / 2),
    "first": ((1 + 0.25 + 0.5) / 3, (1 + 1 / 2 + 1 / 3) / 3, None),
    "copy": (None, None, None),
    "induction": (None, None, None),
    # the space itself, at distance 0, as in (2, 2); from b, at distance 1, as nowhere else
    "space": ((0.75 + 0.25) / 2, (1 / 2 + 1 / 3) / 2, ((0.75 + 0.25) / 2 + 0.25) / 2),
}


def test_figures_of_a_text_done_by_hand():
    attention = np.array([[[1, 0, 0], [0.25, 0.75, 0], [0.5, 0.25, 0.25]]])
    sums = sum_attention(ScriptedAttention([attention]), [TOKENIZER.encode("a b")], TOKENIZER, TARGETS)
    found = figures(_total(sums), TARGETS)
    for place, target in enumerate(TARGETS):
        for value, expected in zip(found[:3], BY_HAND[target.name], strict=True):
            assert value[0, place] == pytest.approx(math.nan if expected is None else expected, nan_ok=True), (
                target.name
            )
    assert sums.queries.tolist() == [[3, 2, 2, 3, 0, 0, 2]]
    assert np.isnan(found.others).all()  # nothing is repeated


def test_attention_that_overflows_is_refused():
    with pytest.raises(UserError, match="attention must be finite"):
        sum_attention(ScriptedAttention([np.full((1, 2, 2), np.nan)]), [np.array([0, 1])], TOKENIZER, TARGETS)


def _earlier(is_wanted, text):
    mask = np.tri(len(text.tokens), k=-1, dtype=bool) & is_wanted(text.tokens)
    return mask & (text.tokens != 0)[:, None]


RELATION = Target(
    "relation", "", partial(_earlier, lambda ids: ids == 1), others=partial(_earlier, lambda ids: ids > 1)
)


def test_figures_are_those_of_plain_loops():
    rng = np.random.default_rng(5)
    windows = [rng.integers(TOKENIZER.vocab_size, size=length) for length in (9, 9, 4, 1, 7)]
    ordered = sorted(range(5), key=lambda place: len(windows[place]))
    maps = [np.tril(rng.random((3, len(window), len(window)))) for window in windows]
    engine = ScriptedAttention([maps[place] for place in ordered])
    targets = (*TARGETS, RELATION)
    sums = sum_attention(engine, windows, TOKENIZER, targets)
    found = figures(_total(sums), targets)
    texts = [read_tokens(TOKENIZER, window) for window in windows]
    for head in range(3):
        for place, target in enumerate(targets):
            expected = _by_loops(texts, [weights[head] for weights in maps], target)
            np.testing.assert_allclose([part[head, place] for part in found], expected, rtol=1e-12)
    for unit, window in enumerate(windows):  # the sums of a window stay at its place
        assert sums.queries[unit, 0] == len(window)
        np.testing.assert_allclose(sums.attention[unit].sum((1, 2)), maps[unit].sum((1, 2)))


def _by_loops(texts, maps, target):
    """Return the figures of one head with maps (T, T)."""
    attention, of_kind = defaultdict(list), defaultdict(list)
    targets, contested, evenly = [], [], []
    for text, weights in zip(texts, maps, strict=True):
        mask = target.select(text)
        others = np.zeros_like(mask) if target.others is None else target.others(text)
        for t in range(len(text.tokens)):
            keys = []
            for s in range(t + 1):
                octave = int(math.log2(t + 1))
                where = ("first", t) if s == 0 else (t - s, octave)
                place = (where, text.blank[t]) if target.place == "distance and kind" else where
                kinds = (text.blank[t], text.blank[s], octave)
                attention[place].append(weights[t, s])
                of_kind[kinds].append(weights[t, s])
                if mask[t, s]:
                    keys.append((weights[t, s], 1 / (t + 1), place, kinds))
            if keys:
                targets.append(keys)
            if keys and others[t].any():
                contested.append(weights[t][mask[t]].sum())
                evenly.append(weights[t][mask[t] | others[t]].mean() * mask[t].sum())
    share = np.mean([sum(weight for weight, _, _, _ in keys) for keys in targets])
    even = np.mean([sum(part for _, part, _, _ in keys) for keys in targets])
    position = np.mean([sum(np.mean(attention[place]) for _, _, place, _ in keys) for keys in targets])
    if target.place == "distance or kind":
        position = max(position, np.mean([sum(np.mean(of_kind[kinds]) for *_, kinds in keys) for keys in targets]))
    with_others = (np.mean(contested), np.mean(evenly)) if contested else (math.nan, math.nan)
    return share, even, math.nan if target.place == "itself" else position, *with_others


def _total(sums):
    return Sums(*(part.sum(0) for part in sums))
