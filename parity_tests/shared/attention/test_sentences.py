"""The sentence under a head: heads planted by hand are measured as what they are, and counts are done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.shared.attention.sentences import measure, measure_heads
from numpy_gpt.shared.attention.targets import TARGETS
from parity_tests.shared.attention.map_examples import maps_of, random_maps

TEXT = "the cat the dog the cat"  # the0 _1 cat2 _3 the4 _5 dog6 _7 the8 _9 cat10
TARGET = {target.name: target for target in TARGETS}


def _even(time):
    return np.tri(time) / np.arange(1, time + 1)[:, None]


def _planted(name, strength=1.0):
    """Return a head that gives so much of its attention to a target where there is one, and spreads the rest evenly."""
    maps = maps_of(TEXT, _even(11)[None, None])
    mask = TARGET[name].select(maps.tokens)
    aimed = np.where(mask.any(1, keepdims=True), mask / np.maximum(mask.sum(1, keepdims=True), 1), _even(11))
    return maps._replace(weights=(strength * aimed + (1 - strength) * _even(11))[None, None])


@pytest.mark.parametrize("name", ["itself", "previous", "first", "copy", "induction", "space", "previous_word"])
def test_a_planted_head_is_measured(name):
    ((measured,),) = measure_heads(_planted(name))
    assert measured.main.target.name == name
    assert measured.main.stands_out
    assert measured.main.share == pytest.approx(1)
    assert measured.sentence().startswith(f"{TARGET[name].title}: 1.00 of its attention (mean over ")


def test_shares_of_a_text_done_by_hand():
    ((measured,),) = measure_heads(_planted("previous"))
    even = np.mean([1 / (t + 1) for t in range(1, 11)])  # at the first token there is nothing to choose from
    assert (measured.main.queries, measured.main.even_share) == (10, pytest.approx(even))
    assert measured.sentence() == (
        "the previous token: 1.00 of its attention (mean over 10 of 11 tokens; 0.20 if spread evenly)"
    )
    ((measured,),) = measure_heads(_planted("copy"))
    assert measured.main.queries == 7  # all but the0 _1 cat2 dog6
    even = np.mean([1 / 4, 1 / 5, 2 / 6, 3 / 8, 2 / 9, 4 / 10, 1 / 11])
    assert measured.main.even_share == pytest.approx(even)


def test_half_a_role_is_half_a_share():
    ((measured,),) = measure_heads(_planted("previous", 0.5))
    assert measured.main.share == pytest.approx(0.5 + 0.5 * measured.main.even_share)
    assert measured.evenness == pytest.approx(1 - 0.5 * (1 - np.mean([1 / (t + 1) for t in range(1, 11)])))


def test_even_attention_is_called_spread_out():
    maps = maps_of(TEXT, _even(11)[None, None])
    measured = measure(maps.weights[0, 0], maps.tokens)
    assert measured.evenness == pytest.approx(1)
    assert not measured.main.stands_out
    assert measured.sentence() == "spread out: 1.00 of its attention is spread evenly over the past"


def test_attention_to_something_else_is_not_called_spread_out():
    weights = np.zeros((11, 11))
    weights[np.arange(11), np.maximum(np.arange(11) - 3, 0)] = 1  # the third token back, which is no target
    weights = 0.6 * weights + 0.4 * _even(11)
    maps = maps_of("abcdefghijk", weights[None, None], words=False)
    ((measured,),) = measure_heads(maps)
    assert not measured.main.stands_out
    assert measured.sentence().startswith("no target stands out: the most is the first token, 0.")


def test_a_target_of_many_tokens_is_preferred_to_one_of_few():
    weights = 0.7 * np.eye(8, k=-1) + 0.3 * _even(8)
    weights[0, 0] = 1
    weights[7] = np.eye(8)[0]  # the only earlier copy
    ((measured,),) = measure_heads(maps_of("abcdefga", weights[None, None], words=False))
    assert (measured.main.target.name, measured.main.queries) == ("previous", 7)


def test_a_target_that_stands_out_is_preferred_to_one_that_does_not():
    weights = 0.91 * _even(27)
    weights[:, 0] += 0.09  # to the first token: not much, but for every query
    weights[26] = 0.2 * _even(27)[26] + 0.8 * np.eye(27)[5]
    ((measured,),) = measure_heads(maps_of("abcdefghijklmnopqrstuvwxyzf", weights[None, None], words=False))
    assert (measured.main.target.name, measured.main.queries) == ("copy", 1)


def test_one_token_has_nothing_to_choose_from():
    maps = maps_of("hello", np.ones((1, 1, 1, 1)))
    ((measured,),) = measure_heads(maps)
    assert measured.main is None
    assert measured.sentence() == "a first token can only attend to itself"


def test_each_head_has_its_own_sentence():
    maps = random_maps(TEXT, 3, 2)
    maps.weights[2, 1] = _planted("first").weights[0, 0]
    measured = measure_heads(maps)
    assert [len(layer) for layer in measured] == [2, 2, 2]
    assert measured[2][1].main.target.name == "first"
    assert measured[0][0] == measure(maps.weights[0, 0], maps.tokens)
