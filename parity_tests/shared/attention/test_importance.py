"""The rise of the loss without a part, over the tokens it is asked about: groups and means by hand, and in order."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.ablation import Part, parts_of
from numpy_gpt.shared.attention.importance import ALL, measure_importance, pad_windows
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from parity_tests.support.strategies import Case

TOKENIZER = load_corpus("grammar").tokenizer
CONFIG = GPTConfig(vocab_size=TOKENIZER.vocab_size, block_size=32, n_layer=1, n_head=2, n_embd=6)
RECIPE = Recipe(name="x", dataset="grammar", model=CONFIG, training=TrainingConfig(dtype="float64"))
VALUES = Case(CONFIG, 1, 1, 3, 0.7).parameters()
SENTENCES = ("the cat chases a big bird", "cats and dogs are friends", "mice sleep", "a fox sees the fox")
BY_HAND = {  # the words that each group is about, by sentence
    "noun_article": ["cat bird", "", "", "fox fox"],
    "noun_adjective": ["bird", "", "", ""],
    "verb_subject": ["chases", "are", "sleep", "sees"],
    "object_verb": ["bird", "", "", "fox"],
    "second_first": ["", "dogs", "", ""],
}


def _window(sentence):
    return TOKENIZER.encode(f"\n{sentence}")


def _losses(window, values=VALUES):
    """Return the loss of each token but the first, of one sentence by itself."""
    p = NumpyEngine(RECIPE, values).predict(window[None, :-1])[0]
    return -np.log(p[np.arange(len(window) - 1), window[1:]])


def _without_head(head):
    values = {name: value.copy() for name, value in VALUES.items()}
    values["h.0.attn.c_proj.weight"][3 * head : 3 * head + 3] = 0
    return values


@pytest.mark.parametrize("head", [0, 1])
def test_groups_and_means_by_hand(head):
    windows = [_window(sentence) for sentence in SENTENCES]
    found = measure_importance(NumpyEngine(RECIPE, VALUES), windows, TOKENIZER, "zero", [Part("head", 0, head)])
    assert [group.name for group in found] == [ALL, *BY_HAND]
    for group in found:
        before, after, count = 0.0, 0.0, 0
        for place, window in enumerate(windows):
            words = [TOKENIZER.vocabulary[token] for token in window[1:].tolist()]
            wanted = words if group.name == ALL else BY_HAND[group.name][place].split()
            # "fox" is twice in the last sentence, and only its second one is an object
            chosen = [index for index, word in enumerate(words) if word in wanted]
            chosen = chosen[-1:] if (group.name, place) == ("object_verb", 3) else chosen
            before += _losses(window)[chosen].sum()
            after += _losses(window, _without_head(head))[chosen].sum()
            count += len(chosen)
        assert group.tokens == count
        assert group.loss == pytest.approx(before / count, abs=1e-12)
        assert group.rises[0].rise == pytest.approx((after - before) / count, abs=1e-12)
        lower, upper = group.rises[0].interval
        assert lower <= group.rises[0].rise + 1e-12 and group.rises[0].rise - 1e-12 <= upper


def test_a_relation_that_the_text_has_not_is_left_out():
    found = measure_importance(NumpyEngine(RECIPE, VALUES), [_window("mice sleep")] * 3, TOKENIZER)
    assert [group.name for group in found] == [ALL, "verb_subject"]
    assert [rise.part for rise in found[0].rises] == list(parts_of(CONFIG))
    for group in found:  # of equal windows, every sample has the same mean
        for rise in group.rises:
            assert rise.interval == pytest.approx((rise.rise, rise.rise), abs=1e-12)


def test_short_windows_are_filled_up():
    text, counted = pad_windows([np.array([3, 4]), np.array([5, 6, 7, 8])])
    assert text.tolist() == [[3, 4, 0, 0], [5, 6, 7, 8]]
    assert counted.tolist() == [[True, False, False], [True, True, True]]


def test_the_most_important_head_is_certain():
    group = measure_importance(NumpyEngine(RECIPE, VALUES), [_window(one) for one in SENTENCES], TOKENIZER)[0]
    rises = [rise for rise in group.rises if rise.part.kind == "head" and rise.interval[0] > 0]
    assert group.largest == (max(rises, key=lambda rise: rise.rise) if rises else None)
    nothing = group._replace(rises=tuple(rise._replace(interval=(-1.0, 1.0)) for rise in group.rises))
    assert nothing.largest is None
