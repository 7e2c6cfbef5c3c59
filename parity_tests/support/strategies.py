"""What hypothesis draws: a config, a seed and a scale; never arrays of arbitrary floats.

Arrays come from the seed by NumPy's generator, so that a failure shrinks to a small config and prints as one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import ACTIVATIONS, NORMS, BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.model.token_checks import IGNORED_TARGET
from numpy_gpt.shared.training.randomness import dropout_masks

SIZES = (1, 2, 3, 4, 5, 7, 8)
"""1, primes and powers of 2: sizes at which a wrong reshape or a wrong axis cannot go unnoticed."""

HEADS_AND_SIZES = ((1, 1), (1, 4), (1, 5), (2, 1), (2, 3), (3, 2), (3, 4), (4, 1), (5, 1), (7, 1), (2, 8), (4, 4))
"""(H, D): one head, many, H = C, C = 1, primes."""


@dataclass(frozen=True)
class Case:
    """Everything that determines a test's arrays; ``ignored`` is about the share of targets that do not count."""

    config: ModelConfig
    batch: int
    time: int
    seed: int
    scale: float
    ignored: float = 0.0

    def rng(self, purpose: str) -> np.random.Generator:
        """Return a separate generator for each purpose, so that the draws for one never shift those for another."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def parameters(self, dtype: str = "float64") -> dict[str, Array]:
        """Return every parameter: matrices and biases from N(0, scale²), layer norm's weights around 1."""
        rng, values = self.rng("parameters"), {}
        for name, shape in parameter_shapes(self.config).items():
            value = self.scale * rng.standard_normal(shape)
            is_norm_weight = len(shape) == 1 and name.endswith(".weight")
            values[name] = rounded_like_float32(value + is_norm_weight, dtype)
        return values

    def tokens(self, purpose: str = "tokens") -> Tokens:
        """Return ids (B, T); the vocabulary is small, so that tokens repeat."""
        return self.rng(purpose).integers(0, self.config.vocab_size, (self.batch, self.time))

    def targets(self) -> Tokens:
        """Return random ids as the targets, some of them ignored, but never all."""
        targets, drawn = self.tokens("targets"), self.rng("ignored").random((self.batch, self.time))
        targets[(drawn < self.ignored) & (drawn < drawn.max())] = IGNORED_TARGET
        return targets

    def masks(self, dtype: str = "float64") -> dict[str, Array]:
        """Return dropout masks by name, none if the config has no dropout."""
        return dropout_masks(self.config, self.batch, self.time, self.seed, 0, dtype)

    def normal(self, purpose: str, shape: tuple[int, ...], dtype: str = "float64", scale: float = 1.0) -> Array:
        """Return N(0, scale²), for inputs and cotangents."""
        return rounded_like_float32(scale * self.rng(purpose).standard_normal(shape), dtype)

    def integers(self, purpose: str, shape: tuple[int, ...], dtype: str = "float64") -> Array:
        """Return whole numbers from −4 to 4: every product and sum of them is exact in either dtype."""
        return self.rng(purpose).integers(-4, 5, shape).astype(dtype)


def rounded_like_float32(value: NDArray[np.float64], dtype: str) -> Array:
    """Return the value rounded to float32, in ``dtype``: the same numbers in both dtypes."""
    return value.astype(np.float32).astype(dtype)


scales = st.floats(np.log(0.02), np.log(2.0)).map(lambda exponent: round(float(np.exp(exponent)), 4))
"""0.02 to 2, log-uniform: at 0.02 alone attention is almost uniform, and a transposed k passes."""

seeds = st.integers(0, 2**32 - 1)

ignored_shares = st.sampled_from((0.0, 0.3, 0.9))
"""For ``Case.ignored``: no target, some, almost all."""


@st.composite
def configs(draw: Any, *, layers: tuple[int, int] = (0, 3), dropout: bool = True) -> GPTConfig:
    """Draw a small GPTConfig of any kind."""
    heads, size = draw(st.sampled_from(HEADS_AND_SIZES))
    return GPTConfig(
        vocab_size=draw(st.sampled_from((1, 2, 3, 5, 11))),
        block_size=draw(st.sampled_from(SIZES)),
        n_layer=draw(st.integers(*layers)),
        n_head=heads,
        n_embd=heads * size,
        bias=draw(st.booleans()),
        tie_weights=draw(st.booleans()),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        dropout=draw(st.sampled_from((0.0, 0.2, 0.5))) if dropout else 0.0,
        norm=draw(st.sampled_from(NORMS)),
    )


@st.composite
def cases(draw: Any, **options: Any) -> Case:
    """Draw a config with a batch size, a length (often 1 or block_size), a seed and a scale of weights."""
    config = draw(configs(**options))
    time = draw(st.one_of(st.just(config.block_size), st.just(1), st.integers(1, config.block_size)))
    return Case(config, draw(st.sampled_from((1, 2, 3))), time, draw(seeds), draw(scales))


@st.composite
def bigram_cases(draw: Any) -> Case:
    """Draw a bigram model with a batch size, a length, a seed and a scale of weights."""
    config = BigramConfig(vocab_size=draw(st.sampled_from((1, 2, 3, 5, 11))), block_size=draw(st.sampled_from(SIZES)))
    time = draw(st.one_of(st.just(config.block_size), st.integers(1, config.block_size)))
    return Case(config, draw(st.sampled_from((1, 2, 3))), time, draw(seeds), draw(scales))
