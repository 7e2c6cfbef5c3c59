"""Sizes of which one is large, and how much memory a computation of such a size may take."""

from __future__ import annotations

import numpy as np

from numpy_gpt import GPTConfig
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

MIB = 1 << 20
SIZES = {  # V, T, B, L
    "vocabulary": (50_304, 64, 1, 2),
    "context": (11, 1024, 1, 6),
    "batch": (300, 8, 256, 2),
    "both": (50_304, 1024, 1, 4),
}
_HEADS, _WIDTH = 2, 8


class Sizes:
    """A model and a batch, and the bytes of the arrays that a bound is stated in, in float32."""

    def __init__(self, name: str) -> None:
        vocab_size, time, batch, layers = SIZES[name]
        config = GPTConfig(vocab_size=vocab_size, block_size=time, n_layer=layers, n_head=_HEADS, n_embd=_WIDTH)
        training = TrainingConfig(batch_size=batch, max_iters=1, eval_iters=0)
        self.config, self.batch = config, batch
        self.recipe = Recipe(name=name, dataset="", model=config, training=training)
        self.tokens, self.targets = np.random.default_rng(0).integers(0, vocab_size, (2, batch, time))
        self.text = np.resize(self.tokens, 3 * time)
        self._row = 4 * batch * vocab_size
        self._attention = 4 * batch * _HEADS * time * time
        self._activations = 4 * layers * batch * time * _WIDTH
        self._parameters = 4 * parameter_count(config)

    def bound(self, logits: int, attention: int, attention_per_layer: int = 0) -> int:
        """Return the bytes of so many logits (B, T, V) and attentions (B, H, T, T), and of what any computation needs.

        That is 24 rows of logits (B, V), 40 activations (L, B, T, C), 8 sets of parameters, and a mebibyte.
        """
        attentions = attention + attention_per_layer * self.config.n_layer
        large = logits * self._row * self.config.block_size + attentions * self._attention
        return large + 24 * self._row + 40 * self._activations + 8 * self._parameters + MIB
