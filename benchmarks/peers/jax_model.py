"""The same GPT in JAX: pure functions of a dictionary of arrays, and a whole training step as one jitted function.

Weights have our names and layout, (in, out). Importing this module needs JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.training.recipe import Recipe

Weights = dict[str, Any]
_ACTIVATIONS = {
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
    "gelu_erf": partial(jax.nn.gelu, approximate=False),
    "relu": jax.nn.relu,
}


def jax_loss(weights: Weights, config: GPTConfig, tokens: Any, targets: Any, key: Any = None) -> Any:
    """Return the mean loss in nats per token for ids (B, T); with ``key``, dropout is applied."""
    keys = iter([] if key is None else jax.random.split(key, 3 * config.n_layer + 1))
    x = _dropout(weights["wte.weight"][tokens] + weights["wpe.weight"][: tokens.shape[1]], config, keys)
    for layer in range(config.n_layer):
        x = _block(weights, f"h.{layer}.", config, x, keys)
    head = weights["wte.weight" if config.tie_weights else "lm_head.weight"]
    logits = _norm(weights, "ln_f", config, x) @ head.T
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)


def jax_step(recipe: Recipe, text: Any) -> Any:
    """Return a jitted function from weights, AdamW's m and v, and the step (from 0) to the three after the step."""
    config, training = require_gpt(recipe.model), recipe.training

    def take(weights: Weights, m: Weights, v: Weights, step: Any) -> tuple[Weights, Weights, Weights]:
        draw, drop = jax.random.split(jax.random.fold_in(jax.random.key(training.seed), step))
        starts = jax.random.randint(draw, (training.batch_size, 1), 0, len(text) - config.block_size)
        windows = text[starts + jnp.arange(config.block_size + 1)]
        loss_of = partial(jax_loss, config=config, tokens=windows[:, :-1], targets=windows[:, 1:])
        gradients = jax.grad(loss_of)(weights, key=drop if config.dropout else None)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in gradients.values()))
        scale = jnp.minimum(1.0, training.grad_clip / (norm + 1e-6)) if training.grad_clip else 1.0
        gradients = {name: g * scale for name, g in gradients.items()}
        m = {name: training.beta1 * m[name] + (1 - training.beta1) * g for name, g in gradients.items()}
        v = {name: training.beta2 * v[name] + (1 - training.beta2) * g * g for name, g in gradients.items()}
        mean, square = (1 - beta ** (step + 1.0) for beta in (training.beta1, training.beta2))
        rate, decay = training.learning_rate, 1 - training.learning_rate * training.weight_decay
        changes = {name: m[name] / mean / (jnp.sqrt(v[name] / square) + training.adam_epsilon) for name in weights}
        weights = {name: w * (decay if w.ndim == 2 else 1.0) - rate * changes[name] for name, w in weights.items()}
        return weights, m, v

    return jax.jit(take, donate_argnums=(0, 1, 2))


def jax_weights(values: Mapping[str, Array]) -> Weights:
    """Return our initial values as JAX arrays."""
    return {name: jnp.asarray(value) for name, value in values.items()}


def _block(weights: Weights, scope: str, config: GPTConfig, x: Any, keys: Any) -> Any:
    batch, time, width = x.shape
    qkv = _linear(weights, f"{scope}attn.c_attn", _norm(weights, f"{scope}ln_1", config, x))
    q, k, v = jnp.moveaxis(qkv.reshape(batch, time, 3, config.n_head, config.head_size), 2, 0)  # (B, T, H, D) each
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / config.head_size**0.5
    scores = jnp.where(jnp.tril(jnp.ones((time, time), bool)), scores, -jnp.inf)
    attention = _dropout(jax.nn.softmax(scores), config, keys)
    heads = jnp.einsum("bhts,bshd->bthd", attention, v).reshape(batch, time, width)
    x = x + _dropout(_linear(weights, f"{scope}attn.c_proj", heads), config, keys)
    hidden = _linear(weights, f"{scope}mlp.c_fc", _norm(weights, f"{scope}ln_2", config, x))
    return x + _dropout(_linear(weights, f"{scope}mlp.c_proj", _ACTIVATIONS[config.activation](hidden)), config, keys)


def _norm(weights: Weights, name: str, config: GPTConfig, x: Any) -> Any:
    centered = x - x.mean(-1, keepdims=True)
    normalized = centered * jax.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + config.layer_norm_epsilon)
    return normalized * weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0.0)


def _linear(weights: Weights, name: str, x: Any) -> Any:
    return x @ weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0.0)


def _dropout(x: Any, config: GPTConfig, keys: Any) -> Any:
    if (key := next(keys, None)) is None:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - config.dropout, x.shape), x / (1 - config.dropout), 0.0)
