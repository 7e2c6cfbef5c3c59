"""Replayed evaluation and sampling have every bit of the plain ones, in any order and between training steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from numpy_gpt import decoding, model
from numpy_gpt.replay.replayed import Replayed
from numpy_gpt.shared.training.engine import EvaluationLimit
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from parity_tests.replayed_step.both_ways import UNTIL_REPLAYED, BothWays, assert_same_bits
from parity_tests.replayed_step.test_steps import CASES, DTYPES, recipe_for
from parity_tests.support.some_threads import on_threads

SAMPLED = 4
"""Texts until a token at each place is replayed: one plain, one written down, one proven, and one more."""


@pytest.fixture
def replays(monkeypatch):
    """Count the calls that were replayed."""
    counted, replay = [], Replayed._replay

    def count(self, inputs):
        counted.append(self)
        return replay(self, inputs)

    monkeypatch.setattr(Replayed, "_replay", count)
    return counted


@given(CASES, DTYPES, st.sampled_from((0.0, 0.9)))
def test_evaluation_of_every_model(case, dtype, ema_decay):
    both = BothWays(recipe_for(case, dtype=dtype, ema_decay=ema_decay), case.parameters(dtype), case.seed)
    for _ in range(UNTIL_REPLAYED):
        both.loss(case.batch, case.time)
        both.loss(case.batch + 1, case.config.block_size)
        both.loss(case.batch, case.time, ignored=0.5)
    both.step()
    both.loss(case.batch, case.time)


@given(CASES, DTYPES, st.booleans())
def test_sampling_of_every_model(case, dtype, cache):
    """A prompt that fits, one that does not, one of another length; beyond block_size; and the weights change."""
    both = BothWays(recipe_for(case, dtype=dtype), case.parameters(dtype), case.seed)
    block_size = case.config.block_size
    prompt = case.tokens()[0].tolist()
    for _ in range(SAMPLED):
        both.draw(prompt, block_size + 3, cache=cache)
        both.draw(2 * prompt + prompt[:1], 2, cache=cache, temperature=0.7)
    both.step()
    both.draw(prompt, block_size + 3, cache=cache, top_k=1)


def test_evaluation_is_replayed(replays):
    both = BothWays(preset("tiny"))
    for _ in range(UNTIL_REPLAYED):
        both.loss(2, 8)
    assert len(replays) == 2  # one of them for the proof
    both.loss(3, 8)
    assert len(replays) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_evaluation_in_slices(monkeypatch, replays, threads):
    monkeypatch.setattr(model, "slices_of", lambda *sizes: (slice(0, 1), slice(1, 2), slice(2, 4)))
    on_threads(monkeypatch, threads)
    both = BothWays(preset("tiny"))
    for _ in range(UNTIL_REPLAYED):
        both.loss(4, 8)
    assert replays


@pytest.mark.parametrize("cache", [True, False])
def test_sampling_is_replayed(replays, cache):
    both = BothWays(preset("tiny"))
    for _ in range(SAMPLED + UNTIL_REPLAYED):
        both.draw([1], 12, cache=cache)
    before = len(replays)
    both.draw([1], 12, cache=cache)
    assert len(replays) - before == 24  # of each token, logits and softmax


def test_a_text_whose_last_windows_are_fewer(replays):
    """Windows of 8 in batches of 4; the last batch holds fewer, and the last window is shorter."""
    text = np.random.default_rng(0).integers(0, 32, 200)
    both = BothWays(preset("tiny"))
    for _ in range(UNTIL_REPLAYED):
        for engine in (both.replaying, both.plain):
            engine.evaluation_limit = EvaluationLimit(32, 1e11)
        ours, theirs = (evaluate(each, text, 8, 8) for each in (both.replaying, both.plain))
        assert_same_bits("mean loss", np.array(ours), np.array(theirs))
        both.step()
    assert replays


@pytest.mark.parametrize("cache", [True, False])
def test_generators_of_one_engine_interleave(cache):
    """Each has a decoder of its own; training in between changes the weights under both, as it does without replay."""
    both = BothWays(preset("tiny"))
    for _ in range(SAMPLED):
        both.draw([3], 10, cache=cache)
    uniforms = both.rng.random((2, 20))
    prompts = [[5, 6], [7]]
    ours, theirs = (
        [each.draws(prompt, row.tolist(), cache=cache) for prompt, row in zip(prompts, uniforms, strict=True)]
        for each in (both.replaying, both.plain)
    )
    for place in range(20):
        for one, other in zip(ours, theirs, strict=True):
            draw, expected = next(one), next(other)
            assert draw.token == expected.token
            assert_same_bits("probabilities", draw.probabilities, expected.probabilities)
        if place in (4, 13):
            both.step()
            both.loss(2, 8)
    assert [list(each) for each in ours] == [[], []]


def test_a_generator_left_halfway_disturbs_nobody(replays):
    both = BothWays(preset("tiny"))
    for left in range(1, 9):
        abandoned = both.replaying.draws([1, 2], [0.5] * 9)
        for _ in range(left):
            next(abandoned)
        if left % 2:
            abandoned.close()
        del abandoned
        both.draw([1, 2], 12)
        both.step()
    assert replays


def test_results_stay_when_the_next_are_computed():
    """What a generator yields is the caller's own, not memory that the next call writes to."""
    both = BothWays(preset("tiny"))
    for cache in (True, False):
        for _ in range(SAMPLED + UNTIL_REPLAYED):
            draws = list(both.replaying.draws([4], [0.3] * 6, cache=cache))
        kept = [draw.probabilities.copy() for draw in draws]
        list(both.replaying.draws([9], [0.8] * 6, cache=cache))
        for draw, expected in zip(draws, kept, strict=True):
            assert_same_bits("probabilities", draw.probabilities, expected)


def test_weights_that_overflow_are_no_warning(replays):
    """NumPy's settings are the same in a replay as in a plain call."""
    both = BothWays(preset("tiny"))
    for cache in (True, False):
        for _ in range(SAMPLED + UNTIL_REPLAYED):
            both.draw([1], 3, cache=cache)
            both.loss(2, 8)
    for engine in (both.replaying, both.plain):
        engine.parameters.flat[:] = 3e38
    before = len(replays)
    both.loss(2, 8)
    for cache in (True, False):
        for engine in (both.replaying, both.plain):
            with np.errstate(all="raise"), pytest.raises(UserError, match="logits must be numbers"):
                list(engine.draws([1], [0.5], cache=cache))
    assert len(replays) == before + 3


def test_a_decoder_keeps_few_calls(monkeypatch):
    """Of a long context, only the first places are written down."""
    monkeypatch.setattr(decoding, "_MOST_CALLS", 200)
    both = BothWays(preset("tiny"))
    for _ in range(SAMPLED):
        both.draw([1], 8)
    (tapes,) = both.replaying._replay.inference._all
    kept = [len(each) for each in tapes._decoder._tapes._places.values()]
    assert 200 <= sum(kept) < 200 + max(kept)
