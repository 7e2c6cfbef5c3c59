"""What a pack records: a model's parameters, batches of tokens, the optimizer's numbers; by default what shows most.

A mistake can hide: a forgotten bias in a bias that is 0, a swapped axis in two sizes that are equal, a wrong β in the
first step, which undoes it. The default case hides none of those that ports make, as its tests state one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.model import predict
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.interchange.microgpt import microgpt_config
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.training.randomness import dropout_masks

Optimizer = Mapping[str, float]
"""``beta1``, ``beta2``, ``epsilon``, ``weight_decay``, and ``grad_clip``, the largest norm of the gradient."""

_RATE = 0.01
_RATES = (1.0, 2.0, 0.5)
"""The learning rates of successive steps, as multiples of the largest but one; they repeat."""
_LOUDNESS = {"wte.weight": 0.6, "wpe.weight": 0.6, "mlp.c_proj.weight": 0.3}
"""Standard deviations of the default model's matrices; 0.5 for the others."""
_MEAN = 20.0
"""What the last but one block adds to every channel of the residual stream: a variance in one pass cancels there."""


class Case(NamedTuple):
    """A model and what its steps compute on, one entry for each step; tokens and targets are (B, T) int32.

    The parameters are float64, but exactly float32 numbers, so that a port in float32 starts from the same ones.
    """

    config: GPTConfig
    parameters: Mapping[str, Array]
    tokens: Sequence[Tokens]
    targets: Sequence[Tokens]
    masks: Sequence[Mapping[str, Array]]
    optimizer: Optimizer
    learning_rates: list[float]

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return len(self.tokens)

    @property
    def batch_shape(self) -> tuple[int, int]:
        """The shape (B, T) of a batch."""
        batch, time = self.tokens[0].shape
        return batch, time


class Loud(NamedTuple):
    """A model that shows mistakes, apart from its weights."""

    config: GPTConfig
    optimizer: Optimizer
    batch_shape: tuple[int, int]


LOUD = {
    "gpt2": Loud(
        GPTConfig(vocab_size=11, block_size=8, n_layer=3, n_head=2, n_embd=6),  # no two axes have one size
        {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weight_decay": 0.1, "grad_clip": 1.0},
        (4, 5),
    ),
    "microgpt": Loud(
        microgpt_config(),
        {"beta1": 0.85, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.0, "grad_clip": 0.0},
        (1, 7),  # it reads one text at a time
    ),
}
"""The models of the packs that ship, by the packs' names; the first is the default."""


def default_case(steps: int, seed: int, name: str = "gpt2") -> Case:
    """Return a model that shows mistakes: loud weights, no zeros, a large mean."""
    config, optimizer, batch_shape = LOUD[name]
    rng = np.random.default_rng([seed, 0])
    values = {}
    for name, shape in parameter_shapes(config).items():
        normal = rng.normal(size=shape)
        if len(shape) == 2:
            loudness = next((size for end, size in _LOUDNESS.items() if name.endswith(end)), 0.5)
            values[name] = loudness * normal
        else:
            values[name] = 0.3 * normal + name.endswith(".weight")
    if (shifted := f"h.{config.n_layer - 2}.mlp.c_proj.bias") in values:
        values[shifted] += _MEAN
    case = case_of(config, values, optimizer, _RATE, steps, seed, batch_shape)
    text = _unlikely_text(case)
    return case._replace(tokens=[text[:, :-1], *case.tokens[1:]], targets=[text[:, 1:], *case.targets[1:]])


def _unlikely_text(case: Case) -> Tokens:
    """Return texts (B, T + 1) of the first step that surprise the model: each next token is the least likely one.

    Its gradient is so large that clipping shows in the whole, in single tensors and in single numbers.
    """
    parameters, (batch, time) = parameters_from(case.config, case.parameters), case.batch_shape
    text = np.arange(batch, dtype=np.int32)[:, None] % case.config.vocab_size  # no two texts are equal
    for _ in range(time):
        least = predict(parameters, text)[:, -1:].argmin(-1)
        text = np.concatenate([text, least.astype(np.int32)], 1)
    return text


def case_of(
    config: GPTConfig,
    values: Mapping[str, Array],
    optimizer: Optimizer,
    learning_rate: float,
    steps: int,
    seed: int,
    batch_shape: tuple[int, int],
) -> Case:
    """Return the case of a model's values, rounded to float32, with random texts of this shape (B, T)."""
    batch, time = batch_shape
    tokens, targets = [], []
    for step in range(steps):
        ids = np.random.default_rng([seed, 1, step]).integers(config.vocab_size, size=(batch, time + 1), dtype=np.int32)
        tokens.append(ids[:, :-1].copy())
        targets.append(ids[:, 1:].copy())
    masks: list[Mapping[str, Any]] = [
        dropout_masks(config, batch, time, seed, step, "float64") for step in range(steps)
    ]
    rates = [learning_rate * _RATES[step % len(_RATES)] for step in range(steps)]
    exact = {name: value.astype(np.float32).astype(np.float64) for name, value in values.items()}
    return Case(config, exact, tokens, targets, masks, optimizer, rates)
