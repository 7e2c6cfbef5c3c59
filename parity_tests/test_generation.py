"""Both twins generate the same tokens from the same uniform numbers, with and without a cache of keys and values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from numpy_gpt import decoding as ours
from numpy_gpt import gpt_forward, predict
from numpy_gpt import sampling as our_sampling
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.training.randomness import sampling_uniforms
from parity_tests.support.comparator import assert_close
from parity_tests.support.strategies import Case, bigram_cases, cases
from parity_tests.test_whole_model import statement_of
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations
from torch_gpt import decoding as twins
from torch_gpt import sampling as twin_sampling
from torch_gpt.parameters import parameters_from as twin_parameters_from

choices = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "top_k": st.sampled_from([None, 1, 2, 100]),
        "top_p": st.sampled_from([0.3, 0.9, 1.0]),
    }
)


def _both(case: Case):
    values = case.parameters()
    return parameters_from(case.config, values), twin_parameters_from(case.config, values)


@given(st.one_of(cases(dropout=False), bigram_cases()), choices)
def test_equal_uniforms_give_equal_tokens(case, choice):
    parameters, twin = _both(case)
    prompt = case.tokens()[0].tolist()
    uniforms = sampling_uniforms(case.seed, 2 * case.config.block_size)
    generated = [
        *(list(our_sampling.generate(parameters, prompt, uniforms, **choice, cache=cache)) for cache in (True, False)),
        *(
            list(twin_sampling.generate(twin, case.config, prompt, uniforms, **choice, cache=cache, fused=fused))
            for cache in (True, False)
            for fused in (True, False)
        ),
    ]
    # Only tokens within rounding of a boundary could change places: with random weights, one chance in about 10¹².
    assert all(tokens == generated[0] for tokens in generated)


@given(st.one_of(cases(dropout=False), bigram_cases()), choices, st.booleans())
def test_draws_carry_their_probabilities(case, choice, cache):
    parameters, twin = _both(case)
    prompt, uniforms = case.tokens()[0].tolist(), sampling_uniforms(case.seed, case.config.block_size + 1)
    ours = list(our_sampling.draws(parameters, prompt, uniforms, **choice, cache=cache))
    theirs = list(twin_sampling.draws(twin, case.config, prompt, uniforms, **choice, cache=cache))
    tokens = list(our_sampling.generate(parameters, prompt, uniforms, **choice, cache=cache))
    assert [draw.token for draw in ours] == [draw.token for draw in theirs] == tokens
    for place, (draw, other, uniform) in enumerate(zip(ours, theirs, uniforms, strict=True)):
        assert isinstance(other.probabilities, np.ndarray)
        assert draw.probabilities.shape == (case.config.vocab_size,)
        assert_close("probabilities of a draw", other.probabilities, draw.probabilities, 1e-9 * draw.probabilities)
        assert draw.token == our_sampling.sample_token(draw.probabilities, uniform)
        if choice["temperature"] == 1 and choice["top_k"] is None and choice["top_p"] == 1:
            window = [*prompt, *tokens[:place]][-case.config.block_size :]
            assert_close("probabilities of a draw", draw.probabilities, predict(parameters, [window])[0, -1], 1e-9)


@given(cases(dropout=False), st.data())
def test_pieces_give_the_whole_texts_logits(case, data):
    assume(case.config.n_embd != 2)  # see test_whole_model
    parameters, twin = _both(case)
    tokens = case.tokens()
    cuts = sorted({0, case.time, *data.draw(st.lists(st.integers(0, case.time), max_size=3))})
    fused = twins.Decoder(twin, case.config, fused=True)
    decoders = ours.Decoder(parameters, case.batch), twins.Decoder(twin, case.config), fused
    read: list[list] = [[], [], []]
    for first, last in pairwise(cuts):
        for pieces, decoder in zip(read, decoders, strict=True):
            pieces.append(np.asarray(decoder.read(tokens[:, first:last])))
    expected, _ = gpt_forward(parameters, tokens)
    # Fewer rows at once means another order of the same sums: only rounding differs.
    tolerance = between_two_statistical(deviations(statement_of(case))["logits"], "float64")
    for name, pieces in zip(("logits (cached)", "logits (twin, cached)", "logits (fused, cached)"), read, strict=True):
        assert_close(name, np.concatenate(pieces, axis=1), expected, tolerance)
