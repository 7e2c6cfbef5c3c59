"""AdamW and clipping against the textbook in exact arithmetic, one weight at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt import GPTConfig, initial_values, parameters_from
from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients, global_norm
from numpy_gpt.parameters import Parameters

CONFIG = GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
SETTINGS = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1}


def _parameters(dtype="float64"):
    return parameters_from(CONFIG, initial_values(CONFIG, 0, dtype))


def _gradients(parameters, seed, scale=1.0):
    gradients = parameters.zeros_like()
    gradients.flat[:] = np.random.default_rng(seed).normal(0, scale, gradients.flat.shape)
    return gradients


def _textbook(theta, gradients, rates, decays):
    """Run AdamW on one number with mpmath, as Loshchilov & Hutter's algorithm 2 reads."""
    from mpmath import mp, mpf

    with mp.workdps(40):
        theta, m, v = mpf(theta), mpf(0), mpf(0)
        for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
            g, rate = mpf(g), mpf(rate)
            m = mpf("0.9") * m + (1 - mpf("0.9")) * g
            v = mpf("0.95") * v + (1 - mpf("0.95")) * g**2
            corrected_m, corrected_v = m / (1 - mpf("0.9") ** t), v / (1 - mpf("0.95") ** t)
            decay = rate * mpf("0.1") * theta if decays else 0
            theta = theta - decay - rate * corrected_m / (mp.sqrt(corrected_v) + mpf("1e-8"))
        return float(theta)


def test_twenty_steps_agree_with_the_textbook():
    parameters = _parameters()
    start = parameters.flat.copy()
    state, history, rates = adamw_state(parameters), [], []
    for step in range(1, 21):
        gradients = _gradients(parameters, step, scale=10.0 ** (step % 5 - 3))
        history.append(gradients.flat.copy())
        rates.append(0.01 * step)
        adamw_step(parameters, gradients, state, step, rates[-1], **SETTINGS)
    matrices = parameters.decayed.size
    for place in range(0, parameters.flat.size, 7):
        expected = _textbook(start[place], [g[place] for g in history], rates, decays=place < matrices)
        assert parameters.flat[place] == pytest.approx(expected, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("part", [1, 7, 12, 10**6])
def test_part_size_changes_no_bit(monkeypatch, part):
    def three_steps():
        parameters = _parameters("float32")
        state = adamw_state(parameters)
        for step in range(1, 4):
            gradients = _gradients(parameters, step).flat.astype("float32")
            adamw_step(parameters, Parameters(CONFIG, gradients), state, step, 0.01, **SETTINGS)
        return np.concatenate([parameters.flat, state.m.flat, state.v.flat])

    expected, norm = three_steps(), global_norm(_gradients(_parameters(), 9))
    monkeypatch.setattr("numpy_gpt.parameters._PART", part)
    assert np.array_equal(three_steps(), expected)
    assert global_norm(_gradients(_parameters(), 9)) == pytest.approx(norm, rel=1e-15)


def test_the_first_step_is_the_rate():
    for scale in (1e-3, 1.0, 1e3):
        parameters = _parameters()
        before, gradients = parameters.flat.copy(), _gradients(parameters, 1)
        signs = np.sign(gradients.flat)
        gradients.flat[:] = signs * scale
        adamw_step(parameters, gradients, adamw_state(parameters), 1, 0.01, **{**SETTINGS, "weight_decay": 0.0})
        assert np.allclose(parameters.flat - before, -0.01 * signs, rtol=1e-4)


def test_a_zero_gradient_leaves_only_decay():
    parameters = _parameters()
    before = {name: view.copy() for name, view in parameters.items()}
    adamw_step(parameters, parameters.zeros_like(), adamw_state(parameters), 1, 0.5, **SETTINGS)
    for name, view in parameters.items():
        factor = 1 - 0.5 * 0.1 if view.ndim == 2 else 1
        assert np.array_equal(view, before[name] * factor)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(dtype):
    parameters = _parameters(dtype)
    state, gradients = adamw_state(parameters), _gradients(parameters, 1)
    clip_gradients(gradients, 0.1)
    adamw_step(parameters, gradients, state, 1, 0.01, **SETTINGS)
    assert parameters.flat.dtype == state.m.flat.dtype == state.v.flat.dtype == gradients.flat.dtype == dtype


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-6, 1.0, 1e6]), limit=st.sampled_from([0.5, 1.0, 3.0]))
def test_clipping_bounds_the_norm(seed, scale, limit):
    gradients = _gradients(_parameters(), seed, scale)
    before = gradients.flat.copy()
    norm = clip_gradients(gradients, limit)
    assert norm == pytest.approx(np.linalg.norm(before), rel=1e-14)
    factor = min(1.0, limit / (norm + 1e-6))
    assert np.allclose(gradients.flat, before * factor, rtol=1e-15)
    assert global_norm(gradients) <= limit * (1 + 1e-12)
    assert factor < 1 or np.array_equal(gradients.flat, before)


def test_a_limit_of_zero_clips_nothing():
    gradients = _gradients(_parameters(), 1, 100.0)
    before = gradients.flat.copy()
    clip_gradients(gradients, 0.0)
    assert np.array_equal(gradients.flat, before)
    zeros = _parameters().zeros_like()
    assert clip_gradients(zeros, 1.0) == 0
    assert not zeros.flat.any()


def test_the_norm_does_not_overflow():
    gradients = _parameters("float32").zeros_like()
    gradients.flat[:2] = 3e30, 4e30
    assert global_norm(gradients) == pytest.approx(5e30, rel=1e-6)
