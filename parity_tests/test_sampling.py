"""Sampling: which token a uniform number picks, and which tokens temperature, top-k and top-p leave."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from numpy_gpt import BigramConfig, GPTConfig, initial_values, parameters_from
from numpy_gpt.decoding import Decoder
from numpy_gpt.gpt import gpt_forward
from numpy_gpt.sampling import draws, generate, sample_token, token_probabilities
from numpy_gpt.shared.training.randomness import sampling_uniforms
from torch_gpt.decoding import Decoder as TwinDecoder
from torch_gpt.parameters import parameters_from as twin_parameters_from
from torch_gpt.sampling import sample_token as twin_sample_token
from torch_gpt.sampling import token_probabilities as twin_token_probabilities

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3]))


def test_probabilities_are_the_softmax():
    assert np.allclose(token_probabilities(LOGITS), [0.1, 0.4, 0.2, 0.3], rtol=1e-15)


def test_temperature_sharpens_and_flattens():
    squared = np.array([0.01, 0.16, 0.04, 0.09])
    assert np.allclose(token_probabilities(LOGITS, temperature=0.5), squared / squared.sum(), rtol=1e-14)
    assert np.allclose(token_probabilities(LOGITS, temperature=1e9), 0.25, rtol=1e-8)


@pytest.mark.parametrize("temperature", [0, 1e-9, 1e-300])
def test_temperature_zero_is_the_argmax(temperature):
    assert token_probabilities(LOGITS, temperature=temperature).tolist() == [0, 1, 0, 0]
    assert token_probabilities(np.array([1.0, 2.0, 2.0]), temperature=0).tolist() == [0, 1, 0]


def test_top_k_keeps_the_likeliest():
    assert np.allclose(token_probabilities(LOGITS, top_k=2), [0, 4 / 7, 0, 3 / 7])
    assert token_probabilities(np.zeros(4), top_k=2).tolist() == [0.5, 0.5, 0, 0]
    assert np.allclose(token_probabilities(LOGITS, top_k=99), [0.1, 0.4, 0.2, 0.3])


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [(0.39, [0, 1, 0, 0]), (0.41, [0, 4 / 7, 0, 3 / 7]), (0.71, [0, 4 / 9, 2 / 9, 3 / 9]), (1.0, [0.1, 0.4, 0.2, 0.3])],
)
def test_top_p_keeps_the_fewest(top_p, expected):
    assert np.allclose(token_probabilities(LOGITS, top_p=top_p), expected)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1, exclude_max=True))
def test_a_uniform_number_picks_a_token(seed, uniform):
    probabilities = np.random.default_rng(seed).dirichlet(np.full(6, 0.3))
    probabilities[2] = 0
    token = sample_token(probabilities, uniform)
    assert 0 <= token < 6
    assert probabilities[token] > 0
    cumulated = np.cumsum(probabilities) / probabilities.sum()
    assert (cumulated[token - 1] if token else 0) <= uniform * (1 + 1e-12) + 1e-15
    assert uniform <= cumulated[token] * (1 + 1e-12)


def test_ends_of_the_unit_interval():
    assert sample_token(np.array([0, 0.5, 0.5, 0]), 0.0) == 1
    assert sample_token(np.array([0, 0.5, 0.5, 0]), math.nextafter(1, 0)) == 2


@pytest.mark.parametrize("uniform", [1.0, -0.5, math.nan])
def test_a_bad_uniform_number_is_refused(uniform):
    with pytest.raises(UserError, match=r"must lie in \[0, 1\)"):
        sample_token(np.array([0.5, 0.5]), uniform)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], r"at least one token"),
        ([1.7], "must be integers, not float64"),
        ([True], "must be integers, not bool"),
        (["1"], "must be integers"),
        ([-1, 0, 1, 2], "the one at .* is -1"),
        ([[1, 2]], "one row"),
    ],
)
def test_a_bad_prompt_is_refused(prompt, message):
    config = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=4)
    with pytest.raises(UserError, match=message):
        list(generate(parameters_from(config, initial_values(config, 0)), prompt, [0.5]))


def test_frequencies_follow_the_probabilities():
    draws = [sample_token(token_probabilities(LOGITS), u) for u in sampling_uniforms(0, 20_000)]
    # Five standard deviations of the frequency of a probability of one half.
    assert np.allclose(np.bincount(draws) / 20_000, [0.1, 0.4, 0.2, 0.3], atol=5 * 0.5 / math.sqrt(20_000))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.booleans())
def test_the_cache_changes_nothing(seed, split, bias):
    config = GPTConfig(vocab_size=5, block_size=7, n_layer=2, n_head=2, n_embd=4, bias=bias)
    parameters = parameters_from(config, initial_values(config, seed, "float64"))
    parameters.flat *= 20
    tokens = np.random.default_rng(seed).integers(0, 5, (3, 7))
    decoder = Decoder(parameters, batch=3)
    pieces = [decoder.read(tokens[:, :split]), *(decoder.read(tokens[:, t : t + 1]) for t in range(split, 7))]
    expected, _ = gpt_forward(parameters, tokens)
    assert np.allclose(np.concatenate(pieces, axis=1), expected, rtol=1e-11, atol=1e-11)
    uniforms = sampling_uniforms(seed, 12)
    kept, recomputed = (list(generate(parameters, [1, 2], uniforms, cache=cache)) for cache in (True, False))
    assert kept == recomputed


def test_a_full_cache_is_refused():
    config = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=4)
    values = initial_values(config, 0)
    decoders = Decoder(parameters_from(config, values)), TwinDecoder(twin_parameters_from(config, values), config)
    for decoder in decoders:
        decoder.read([[1, 2]])
        with pytest.raises(UserError, match="4 tokens do not fit into block_size=3"):
            decoder.read([[1, 2]])
        with pytest.raises(UserError, match="a Decoder for a batch of 1 cannot read one of 2; make a new one"):
            decoder.read([[1], [2]])


def test_the_window_slides_past_the_context():
    config = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=4)
    parameters = parameters_from(config, initial_values(config, 0, "float64"))
    parameters.flat *= 20
    uniforms = sampling_uniforms(1, 12)
    tokens = [1, *generate(parameters, [1], uniforms)]
    assert len(tokens) == 13
    for end in range(4, 13):  # what comes next depends on the last three tokens only
        (again,) = generate(parameters, tokens[end - 3 : end], uniforms[end - 1 : end])
        assert again == tokens[end]


def test_a_bigram_draws_by_the_last_token():
    table = np.log(np.array([[0.1, 0.2, 0.7], [1e-9, 1e-9, 1.0], [0.5, 0.4, 0.1]]))
    parameters = parameters_from(BigramConfig(vocab_size=3, block_size=2), {"wte.weight": table})
    last, drawn = 0, list(draws(parameters, [1, 2, 0], sampling_uniforms(2, 20)))
    for draw in drawn:
        row = np.exp(table[last])
        assert np.allclose(draw.probabilities, row / row.sum(), rtol=1e-14)
        last = draw.token
    assert {draw.token for draw in drawn} == {0, 1, 2}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"temperature": -1}, "temperature must be at least 0"),
        ({"temperature": math.nan}, "temperature must be"),
        ({"temperature": math.inf}, "temperature must be"),
        ({"top_k": 0}, "top_k must be a whole number of at least 1, not 0"),
        ({"top_k": 2.5}, "top_k must be a whole number"),
        ({"top_p": 0}, r"top_p must lie in \(0, 1\]"),
        ({"top_p": 1.1}, "top_p must lie"),
        ({"top_p": math.nan}, "top_p must lie"),
    ],
)
def test_choices_out_of_range_are_refused(choice, message):
    with pytest.raises(UserError, match=message):
        token_probabilities(LOGITS, **choice)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_bad_logit_is_named(wrong):
    with pytest.raises(UserError, match=f"the one of token 2 is {wrong}"):
        token_probabilities(np.array([0, 1, wrong]))


def test_impossible_tokens_are_never_drawn():
    assert token_probabilities(np.array([-math.inf, 0, 0])).tolist() == [0, 0.5, 0.5]
    with pytest.raises(UserError, match="all are -inf"):
        token_probabilities(np.full(3, -math.inf))


@pytest.mark.parametrize(
    "wrong",
    [[0.0, 0.0, 0.0], [math.nan, 1.0], [1.0, math.nan], [math.inf, 1.0], [1.0, math.inf], [-1.0, 5.0, -10.0]],
)
@pytest.mark.parametrize("uniform", [0.0, 0.5])
def test_bad_probabilities_give_no_token(wrong, uniform):
    for draw, probabilities in ((sample_token, np.array(wrong)), (twin_sample_token, torch.tensor(wrong))):
        with pytest.raises(UserError, match=r"sum to a finite number above 0, not (0\.0|nan|inf|-6\.0); make them by"):
            draw(probabilities, uniform)


def test_numpys_integers_are_accepted():
    logits = np.array([1.0, 3.0, 2.0])
    assert np.array_equal(token_probabilities(logits, top_k=np.int64(2)), token_probabilities(logits, top_k=2))
    assert torch.equal(
        twin_token_probabilities(torch.from_numpy(logits), top_k=np.int64(2)),
        twin_token_probabilities(torch.from_numpy(logits), top_k=2),
    )


@pytest.mark.parametrize("wrong", [True, np.True_, np.int64(0), np.float64(2), "2" * 1000])
def test_a_bad_top_k_is_refused(wrong):
    for probabilities, logits in ((token_probabilities, LOGITS), (twin_token_probabilities, torch.from_numpy(LOGITS))):
        with pytest.raises(UserError, match=r"^top_k must be .* 1, not .{1,90}; leave it out to keep every token$"):
            probabilities(logits, top_k=wrong)
