"""The whole GPT: every gradient of every variant against central differences, and which inputs are accepted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt import GPTConfig, check_gradients, gpt_backward, gpt_forward, loss_and_gradients, loss_of, predict
from numpy_gpt.parameters import Parameters, parameters_from
from numpy_gpt.shared.model.names import activation_shapes, dropout_shapes, gradient_name, parameter_shapes, use_shapes
from numpy_gpt.shared.model.record import keep_in

SMALL = {"vocab_size": 7, "block_size": 5, "n_layer": 2, "n_head": 2, "n_embd": 6}


def _random_parameters(config: GPTConfig, seed: int, scale: float = 0.5, dtype=np.float64) -> Parameters:
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(config)
    values = {name: (rng.normal(0, scale, shape) + (len(shape) == 1)).astype(dtype) for name, shape in shapes.items()}
    return parameters_from(config, values)


def _batch(config: GPTConfig, batch: int, time: int, seed: int):
    rng = np.random.default_rng(seed)
    return rng.integers(config.vocab_size, size=(2, batch, time))


def _masks(config: GPTConfig, batch: int, time: int, seed: int):
    rng = np.random.default_rng(seed)
    shapes = dropout_shapes(config, batch, time)
    return {name: (rng.random(shape) >= 0.3) / 0.7 for name, shape in shapes.items()}


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("bias", "tie_weights", "activation"),
    list(product([True, False], [True, False], ["gelu_tanh", "gelu_erf", "relu"])),
)
def test_every_gradient_agrees_with_central_differences(bias, tie_weights, activation, dropout):
    config = GPTConfig(**SMALL, bias=bias, tie_weights=tie_weights, activation=activation)
    parameters = _random_parameters(config, 1)
    tokens, _ = _batch(config, 2, 5, 2)
    masks = _masks(config, 2, 5, 3) if dropout else None
    cotangent = np.random.default_rng(4).normal(size=(2, 5, config.vocab_size))
    _, cache = gpt_forward(parameters, tokens, masks)
    gradients = gpt_backward(cotangent, cache)

    def logits(inputs):
        return gpt_forward(parameters_from(config, inputs), tokens, masks)[0]

    # The key bias has no gradient (8.18); what rounding leaves of it is checked below.
    checked = {name: gradient.copy() for name, gradient in gradients.items()}
    for name in [name for name in checked if name.endswith("c_attn.bias")]:
        key = slice(config.n_embd, 2 * config.n_embd)
        assert np.abs(checked[name][key]).max() < 1e-13 * np.abs(checked[name]).max()
        checked[name][key] = 0
    # ReLU has kinks: a step across one is no error of the gradient, so the step is small enough to meet none.
    step = 1e-5 if activation == "relu" else 1e-4
    check_gradients(logits, dict(parameters), checked, cotangent, tolerance=1e-7, step=step)


def test_gradients_are_differences():
    config = GPTConfig(**SMALL)
    parameters = _random_parameters(config, 5)
    tokens, targets = _batch(config, 3, 4, 6)
    _, gradients = loss_and_gradients(parameters, tokens, targets)
    checked = {name: gradient for name, gradient in gradients.items() if not name.endswith("c_attn.bias")}
    check_gradients(lambda inputs: loss_of(parameters_from(config, inputs), tokens, targets), dict(parameters), checked)


@pytest.mark.parametrize("changes", [{"n_layer": 0}, {"n_head": 6}, {"n_head": 1}, {"n_embd": 2}, {"vocab_size": 1}])
def test_unusual_shapes_have_right_gradients_too(changes):
    config = GPTConfig(**{**SMALL, **changes}, bias=False)
    parameters = _random_parameters(config, 7)
    tokens, targets = _batch(config, 1, 1, 8)
    loss, gradients = loss_and_gradients(parameters, tokens, targets)
    if config.vocab_size == 1:
        assert loss == 0
        assert not gradients.flat.any()
        return
    function = lambda inputs: loss_of(parameters_from(config, inputs), tokens, targets)  # noqa: E731
    used = {name: gradients[name] for name in gradients if not name.endswith("c_attn.weight")}  # T = 1: only v matters
    check_gradients(function, dict(parameters), used)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf", "relu"])
def test_activations_are_recorded_in_order(activation, dropout):
    config = GPTConfig(**SMALL, activation=activation)
    tokens, targets = _batch(config, 2, 3, 9)
    kept: dict = {}
    masks = _masks(config, 2, 3, 10) if dropout else None
    loss_and_gradients(_random_parameters(config, 11), tokens, targets, masks, keep_in(kept))
    expected = activation_shapes(config, 2, 3, dropout=dropout)
    forward = {name: np.shape(array) for name, array in kept.items() if name in expected}
    assert forward == expected
    assert list(forward) == list(expected)
    uses = {gradient_name(name): shape for name, shape in use_shapes(config, 2, 3).items()}
    gradient_shapes = {gradient_name(name): shape for name, shape in expected.items()} | uses
    backward = {name: np.shape(array) for name, array in kept.items() if name not in expected}
    assert backward.items() <= gradient_shapes.items()
    assert {"embedding.dsum", "h.0.attn.dq", "h.1.attn.dweights", "h.1.mlp.dhidden", "dlogits", *uses} <= set(backward)


def test_recording_changes_nothing():
    config = GPTConfig(**SMALL)
    parameters = _random_parameters(config, 12)
    tokens, targets = _batch(config, 2, 5, 13)
    silent = loss_and_gradients(parameters, tokens, targets)
    kept: dict = {}
    heard = loss_and_gradients(parameters, tokens, targets, None, keep_in(kept))
    assert silent[0] == heard[0] == kept["loss"]
    assert np.array_equal(silent[1].flat, heard[1].flat)


def test_probabilities_predict_the_loss():
    config = GPTConfig(**SMALL)
    parameters = _random_parameters(config, 14)
    tokens, targets = _batch(config, 2, 5, 15)
    probabilities = predict(parameters, tokens)
    assert np.allclose(probabilities.sum(axis=-1), 1, rtol=1e-14)
    at_target = np.take_along_axis(probabilities, targets[..., None], -1)
    assert np.isclose(loss_of(parameters, tokens, targets), -np.log(at_target).mean(), rtol=1e-14)


def test_the_future_does_not_change_the_past():
    config = GPTConfig(**SMALL)
    parameters = _random_parameters(config, 16, dtype=np.float32)
    tokens, other = _batch(config, 3, 5, 17)
    for time in range(1, 5):
        changed = np.concatenate([tokens[:, :time], other[:, time:]], axis=1)
        before, after = (gpt_forward(parameters, given)[0][:, :time] for given in (tokens, changed))
        assert np.array_equal(before, after)


def test_unused_rows_have_zero_gradient():
    config = GPTConfig(**SMALL, tie_weights=False)
    _, gradients = loss_and_gradients(_random_parameters(config, 18), [[1, 3, 1]], [[3, 1, 1]])
    used = [1, 3]
    assert gradients["wte.weight"][used].all()
    assert not np.delete(gradients["wte.weight"], used, axis=0).any()
    assert gradients["wpe.weight"][:3].all()
    assert not gradients["wpe.weight"][3:].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept_everywhere(dtype):
    config = GPTConfig(**SMALL)
    tokens, targets = _batch(config, 2, 5, 19)
    kept: dict = {}
    _, gradients = loss_and_gradients(
        _random_parameters(config, 20, dtype=dtype), tokens, targets, _masks_of(config, dtype), keep_in(kept)
    )
    assert {array.dtype for array in kept.values()} == {np.dtype(dtype)}
    assert gradients.flat.dtype == dtype


def _masks_of(config, dtype):
    return {name: mask.astype(dtype) for name, mask in _masks(config, 2, 5, 21).items()}


@pytest.mark.parametrize("kind", ["uint8", "int16", ">i8", "uint64"])
def test_every_integer_type_is_accepted(kind):
    config = GPTConfig(**SMALL)
    parameters, (tokens, targets) = _random_parameters(config, 27), _batch(config, 2, 5, 28)
    loss, gradients = loss_and_gradients(parameters, tokens.astype(kind), targets.astype(kind))
    expected_loss, expected = loss_and_gradients(parameters, tokens, targets)
    assert loss == expected_loss
    assert np.array_equal(gradients.flat, expected.flat)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 7]], r"must lie in \[0, 7\), but the one at \(0, 1\) is 7"),
        ([[0, -1]], r"the one at \(0, 1\) is -1"),
        ([[0.0, 1.0]], "must be integers, not float64"),
        ([[True, False]], "must be integers, not bool"),
        ([[0] * 6], "6 tokens do not fit into block_size=5"),
        ([[0, 1], [2]], "the rows have different lengths"),
        ([0, 1], r"shape \(B, T\) with at least one token, not \(2,\)"),
        ([[]], r"at least one token, not \(1, 0\)"),
        (np.zeros((0, 3), int), r"at least one token, not \(0, 3\)"),
    ],
)
def test_bad_tokens_are_refused(tokens, message):
    config = GPTConfig(**SMALL)
    with pytest.raises(UserError, match=message):
        gpt_forward(_random_parameters(config, 22), tokens)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0, 7]], r"^targets must lie in \[0, 7\)"),
        ([[0, -2]], r"is -2; -100 or -1 marks one that does not count"),
        ([[-1, 7]], r"the one at \(0, 1\) is 7"),
        ([[-1, -100]], "^at least one target must count, but all are -100 or -1"),
        ([[0.5, 1]], "^targets must be integers"),
        ([[0]], r"tokens' shape \(1, 2\), not \(1, 1\)"),
        ([[]], r"not \(1, 0\)"),
    ],
)
def test_bad_targets_are_refused(targets, message):
    config = GPTConfig(**SMALL)
    with pytest.raises(UserError, match=message):
        loss_and_gradients(_random_parameters(config, 23), [[0, 1]], targets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks.pop("embedding.dropout"), "missing dropout mask 'embedding.dropout'"),
        (lambda masks: masks.update(other=np.ones(2)), "unknown dropout mask 'other'"),
        (lambda masks: masks.update({"h.0.mlp.out_dropout": np.ones(1)}), r"float64 of shape \(2, 5, 6\), not float64"),
        (lambda masks: masks.update({"h.0.mlp.out_dropout": np.ones((2, 5, 6), np.float32)}), "not float32"),
    ],
)
def test_bad_dropout_masks_are_refused(change, message):
    config = GPTConfig(**SMALL)
    tokens, _ = _batch(config, 2, 5, 24)
    masks = _masks(config, 2, 5, 25)
    change(masks)
    with pytest.raises(UserError, match=message):
        gpt_forward(_random_parameters(config, 26), tokens, masks)
