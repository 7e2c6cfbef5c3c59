"""The default pack hides none of the mistakes that ports make: each property that shows one."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.golden.graph import Graph, prefix_of
from numpy_gpt.golden.pack.case import default_case
from numpy_gpt.golden.pack.form import SEED, STEPS
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes

CASE = default_case(STEPS, SEED)
CONFIG = CASE.config
BATCH, TIME = CASE.batch_shape


def test_shapes_tell_axes_apart():
    sizes = [BATCH, TIME, CONFIG.block_size, CONFIG.n_embd, CONFIG.n_head, CONFIG.n_hidden, CONFIG.vocab_size]
    sizes += [CONFIG.head_size, 3 * CONFIG.n_embd]
    assert len(set(sizes)) == len(sizes)
    assert BATCH >= 2
    assert CONFIG.n_head >= 2
    assert TIME < CONFIG.block_size


def test_every_bias_and_every_norm_counts():
    assert CONFIG.bias
    for name, value in CASE.parameters.items():
        if value.ndim == 1:
            neutral = float(name.endswith(".weight"))
            assert (np.abs(value - neutral) > 1e-3).all(), name
            assert value.std() > 0.1, name


def test_weights_are_loud(arrays):
    for name in parameter_shapes(CONFIG):
        if arrays[name].ndim == 2:
            assert arrays[name].std() > 0.2, name  # GPT-2's initialization has 0.02
    for layer in range(CONFIG.n_layer):
        hidden, weights = arrays[f"h.{layer}.mlp.hidden"], arrays[f"h.{layer}.attn.weights"]
        assert np.abs(hidden).max() > 2  # where GELUs differ from each other and from ReLU
        last = weights[:, :, -1]
        assert last.max() > 2 / TIME  # attention looks somewhere
        assert last.min() > 1e-6  # and is not saturated


def test_parameters_are_float32_numbers():
    assert {value.dtype for value in CASE.parameters.values()} == {np.dtype(np.float64)}
    assert all(np.array_equal(value, value.astype(np.float32)) for value in CASE.parameters.values())


@pytest.mark.parametrize("step", range(STEPS))
def test_tokens_repeat_within_a_text_and_between_texts(step):
    tokens, targets = CASE.tokens[step], CASE.targets[step]
    assert any(len(set(row)) < TIME for row in tokens)
    assert set(tokens[0]) & set(tokens[1])
    assert len(np.unique(tokens)) < CONFIG.vocab_size  # a word that is not there has no gradient of the embedding
    assert np.array_equal(tokens[:, 1:], targets[:, :-1])  # the targets are the next tokens
    assert not np.array_equal(tokens, targets)


def test_batches_differ():
    assert len({tokens.tobytes() for tokens in CASE.tokens}) == STEPS == 3


def test_rates_change():
    assert len(set(CASE.learning_rates)) == STEPS


def test_clipping_is_active_in_one_step_and_not_in_another(arrays):
    scales = [float(arrays[f"{prefix_of(step)}clipping.scale"]) for step in range(1, STEPS + 1)]
    assert min(scales) < 0.9
    assert max(scales) == 1
    second = float(arrays["step2.clipping.norm"])
    assert scales[1] < 1
    assert 1e-6 / second > 8 * 2.0**-24  # the 1e-6 in the quotient is more than rounding


def test_clipping_shows_in_tensors_and_in_numbers(arrays):
    gradients = [arrays[gradient_name(name)] for name in CASE.parameters]
    limit = CASE.optimizer["grad_clip"]
    assert sum(np.linalg.norm(gradient) > limit for gradient in gradients) > 2
    assert max(np.abs(gradient).max() for gradient in gradients) > limit


def test_a_variance_in_one_pass_cancels(arrays):
    x = arrays[f"h.{CONFIG.n_layer - 2}.mlp.residual"].astype(np.float32)
    one_pass = (x * x).mean(-1) - x.mean(-1) ** 2
    variance = arrays[f"h.{CONFIG.n_layer - 1}.ln_1.variance"]
    assert np.abs(one_pass / variance - 1).max() > 100 * 2.0**-24


def test_decay_and_epsilon_count(arrays):
    optimizer, rate = CASE.optimizer, CASE.learning_rates[0]
    assert rate * optimizer["weight_decay"] > 1000 * 2.0**-24
    root = np.sqrt(arrays["v.h.0.mlp.c_fc.weight"] / (1 - optimizer["beta2"]))
    assert np.median(optimizer["epsilon"] / root) > 1000 * 2.0**-24
    assert optimizer["beta1"] != optimizer["beta2"]


def test_no_array_is_zero(arrays):
    for name, node in Graph(CONFIG, BATCH, TIME, STEPS).nodes.items():
        if name in arrays:
            assert np.any(arrays[name]), name
            if np.size(arrays[name]) > 3 and node.skip != "future":
                assert np.isfinite(arrays[name]).all() or node.plain.endswith(".masked"), name
