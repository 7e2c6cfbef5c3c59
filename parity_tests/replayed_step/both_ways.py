"""Two engines that differ only in whether they replay, and what must be equal: every bit of every number."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_gpt.engine import NumpyEngine
from numpy_gpt.replay.replayed import WORTH
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import Recipe

UNTIL_REPLAYED = WORTH + 3
"""Calls until one is replayed: the plain ones, the one that is written down, the one that is proven, and one more."""


class BothWays:
    """An engine that replays and one that does not; everything is computed with both."""

    def __init__(self, recipe: Recipe, values: Any = None, seed: int = 0) -> None:
        if values is None:
            values = initial_values(recipe.model, seed, recipe.training.dtype)
        self.recipe, self.rng = recipe, np.random.default_rng(seed)
        self.replaying, self.plain = (NumpyEngine(recipe, values, replay=replay) for replay in (True, False))
        self.steps = 0

    def tokens(self, batch: int, time: int) -> Tokens:
        """Return random tokens (B, T)."""
        return self.rng.integers(0, self.recipe.model.vocab_size, (batch, time))

    def _targets(self, batch: int, time: int, ignored: float) -> Tokens:
        """Return random targets, of which about that share does not count, but the first does."""
        targets = self.tokens(batch, time)
        targets[self.rng.random(targets.shape) < ignored] = -100
        targets[0, 0] = max(targets[0, 0], 0)
        return targets

    def step(self, time: int | None = None, ignored: float = 0.0) -> StepResult:
        """Take a step, in which about that share of the targets does not count, and compare everything."""
        training = self.recipe.training
        sequences = training.batch_size * training.gradient_accumulation_steps
        shape = sequences, time or self.recipe.model.block_size
        inputs, targets = self.tokens(*shape), self._targets(*shape, ignored)
        rate = float(self.rng.uniform(1e-3, 0.1))
        ours, theirs = (each.training_step(inputs, targets, self.steps, rate) for each in (self.replaying, self.plain))
        self.steps += 1
        assert_same_bits("loss and norm", np.array(ours), np.array(theirs))
        self.compare_state()
        return ours

    def train(self, steps: int = UNTIL_REPLAYED, **options: Any) -> BothWays:
        """Take some steps, by default as many as it takes until one is replayed."""
        for _ in range(steps):
            self.step(**options)
        return self

    def compare_state(self) -> None:
        """Compare weights, gradients, moments and averages."""
        for name, ours, theirs in zip(_NAMES, state_of(self.replaying), state_of(self.plain), strict=True):
            assert_same_bits(name, ours, theirs)

    def loss(self, batch: int, time: int, ignored: float = 0.0) -> float:
        """Evaluate a batch, and compare the losses."""
        inputs, targets = self.tokens(batch, time), self._targets(batch, time, ignored)
        ours, theirs = (each.loss(inputs, targets) for each in (self.replaying, self.plain))
        assert_same_bits("loss", np.array(ours), np.array(theirs))
        return ours

    def draw(self, prompt: list[int], count: int, **choices: Any) -> None:
        """Sample, and compare the tokens and what they were drawn from."""
        uniforms = self.rng.random(count).tolist()
        ours, theirs = (list(each.draws(prompt, uniforms, **choices)) for each in (self.replaying, self.plain))
        assert [draw.token for draw in ours] == [draw.token for draw in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert_same_bits("probabilities", one.probabilities, other.probabilities)

    def is_replayed(self) -> bool:
        """Return whether the last step was replayed, and the other engine's was not."""
        assert self.plain.execution == "plain"
        return self.replaying.execution == "replay"


_NAMES = ("weights", "m", "v", "averages")


def state_of(engine: NumpyEngine) -> tuple[Array, ...]:
    """Return the flat arrays of weights, moments, and averages (or the weights once more)."""
    m, v = engine.moments()
    parts = (engine.parameters, m, v, engine.values())
    return tuple(part.flat for part in parts)  # type: ignore[attr-defined]


def assert_same_bits(name: str, actual: Array, expected: Array) -> None:
    """Fail unless all bits are equal, those of the sign of 0 and of NaN too."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), name
    ours, theirs = (np.ascontiguousarray(each).view(f"u{each.itemsize}") for each in (actual, expected))
    assert np.array_equal(ours, theirs), f"{name}: {np.count_nonzero(ours != theirs)} of {ours.size} numbers differ"
