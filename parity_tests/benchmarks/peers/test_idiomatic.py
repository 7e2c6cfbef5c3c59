"""The idiomatic models that numpy_gpt is timed against are equal to it: loss, gradients, updates and samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.peers.torch_model import (
    CachedDecoder,
    idiomatic_adamw,
    idiomatic_gpt,
    idiomatic_step,
    idiomatic_tokens,
    idiomatic_tokens_uncached,
    is_transposed,
)
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT
from parity_tests.support.strategies import Case
from parity_tests.test_whole_model import arrays_of_numpy_gpt, statement_of
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations

_CONFIG = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8)
CASES = [
    Case(replace(_CONFIG, **changes), batch=2, time=7, seed=3, scale=0.3)
    for changes in (
        {"activation": "gelu_tanh"},
        {"activation": "gelu_erf", "bias": False},
        {"activation": "relu", "tie_weights": False, "layer_norm_epsilon": 1e-2},
    )
]
STEPS, RATE = 5, 1e-2


def _one_window(**changes):
    """Return a recipe and a text with a single window, so that all draw the same batch."""
    recipe = preset("tiny").override({"min_lr": RATE, "learning_rate": RATE, "batch_size": 3, **changes})
    return recipe, load_corpus("tiny").train[: recipe.model.block_size + 1]


def _our_losses(recipe, tokens):
    engine = NumpyEngine(recipe, initial_values(recipe.model, 1, recipe.training.dtype))
    engine.begin(tokens)
    return np.array([engine.take_step(step, RATE).loss for step in range(STEPS)], recipe.training.dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.config.activation)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_torch_loss_and_gradients_are_ours(case, dtype):
    model = idiomatic_gpt(case.config, case.parameters(dtype))
    loss = model(torch.from_numpy(case.tokens()), torch.from_numpy(case.targets()))
    loss.backward()
    expected, allowed = arrays_of_numpy_gpt(case, dtype), deviations(statement_of(case))
    found = {name: p.grad.T if is_transposed(name) else p.grad for name, p in model.named_parameters()}
    assert set(found) == set(case.parameters(dtype))
    for name, value in {"loss": loss, **found}.items():
        bound = between_two_statistical(allowed[name], dtype)
        assert_close(f"{name} (idiomatic)", value.detach().numpy(), expected[name], bound)


@pytest.mark.parametrize("grad_clip", [0.0, 0.3])
def test_torch_steps_are_ours(grad_clip):
    recipe, tokens = _one_window(dtype="float64", grad_clip=grad_clip, weight_decay=0.5)
    model = idiomatic_gpt(recipe.model, initial_values(recipe.model, 1, "float64"))
    optimizer, text = idiomatic_adamw(model, recipe.training), torch.tensor(tokens)
    losses = [
        float(idiomatic_step(model, optimizer, text, recipe.model.block_size, recipe.training)) for _ in range(STEPS)
    ]
    ours = _our_losses(recipe, tokens)
    assert_close("loss of a step (idiomatic)", np.array(losses), ours, 1e3 * UNIT["float64"] * ours)


def test_torch_dropout_is_for_training_only():
    recipe = preset("tiny16").override({"dropout": 0.5})
    model = idiomatic_gpt(recipe.model, initial_values(recipe.model, 1))
    tokens = torch.arange(8)[None]
    assert model(tokens, tokens) != model(tokens, tokens)
    model.eval()
    assert model(tokens, tokens) == model(tokens, tokens)


def test_the_cache_changes_nothing():
    case = CASES[0]
    model, engine = idiomatic_gpt(case.config, case.parameters("float64")), _engine(case)
    tokens, decoder = case.tokens()[0], CachedDecoder(idiomatic_gpt(case.config, case.parameters("float64")))
    pieces = [decoder.read(torch.tensor(tokens[:3])), *(decoder.read(torch.tensor([token])) for token in tokens[3:])]
    found = torch.stack(pieces).softmax(-1).numpy()
    assert_close("probabilities (kept)", found, engine.predict(tokens[None])[0, 2:], 1e3 * UNIT["float64"])
    written = []
    for write in (idiomatic_tokens, idiomatic_tokens_uncached):
        torch.manual_seed(0)
        written.append(list(write(model, [0, 3], 6)))
    assert written[0] == written[1]
    assert len(written[0]) == 6


def _engine(case):
    recipe = replace(preset("tiny"), model=case.config).override({"dtype": "float64"})
    return NumpyEngine(recipe, case.parameters("float64"))


@pytest.fixture
def jax_peer():
    pytest.importorskip("jax")
    from benchmarks.peers import jax_model

    return jax_model


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.config.activation)
def test_jax_loss_and_gradients_are_ours(case, jax_peer):
    import jax

    weights = jax_peer.jax_weights(case.parameters("float32"))
    # Jitted: one compilation instead of one for each operation.
    loss_of = jax.jit(jax.value_and_grad(lambda w: jax_peer.jax_loss(w, case.config, case.tokens(), case.targets())))
    loss, gradients = loss_of(weights)
    expected, allowed = arrays_of_numpy_gpt(case, "float32"), deviations(statement_of(case))
    for name, value in {"loss": loss, **gradients}.items():
        bound = between_two_statistical(allowed[name], "float32")
        assert_close(f"{name} (JAX)", np.asarray(value), expected[name], bound)


@pytest.mark.parametrize("grad_clip", [0.0, 0.3])
def test_jax_steps_are_ours(grad_clip, jax_peer):
    import jax
    import jax.numpy as jnp

    recipe, tokens = _one_window(dtype="float32", grad_clip=grad_clip, weight_decay=0.5)
    take = jax_peer.jax_step(recipe, jnp.asarray(tokens))
    state = [jax_peer.jax_weights(initial_values(recipe.model, 1)), *({}, {})]
    state[1:] = [{name: jnp.zeros_like(value) for name, value in state[0].items()} for _ in "mv"]
    inputs, targets = tokens[None, :-1], tokens[None, 1:]
    loss_of = jax.jit(lambda weights: jax_peer.jax_loss(weights, recipe.model, inputs, targets))
    losses = []
    for step in range(STEPS):
        losses.append(np.float32(loss_of(state[0])))
        state = take(*state, step)
    ours = _our_losses(recipe, tokens)
    assert_close("loss of a step (JAX)", np.array(losses), ours, 1e3 * UNIT["float32"] * ours)


def test_jax_dropout_rate(jax_peer):
    import jax

    config = replace(preset("tiny16").model, dropout=0.25)
    kept = jax_peer._dropout(np.ones(40_000, np.float32), config, iter([jax.random.key(0)]))
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(float(kept.mean()) - 1) < 0.02
