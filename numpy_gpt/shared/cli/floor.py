"""The lowest loss that a model of a recipe can reach on its validation text, where it can be computed."""

from __future__ import annotations

from typing import NamedTuple

from gpt_data.floors.bigram_optimum import bigram_counts_loss, bigram_optimum
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.texts.corpora import Corpus
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.training.recipe import Recipe


class Floor(NamedTuple):
    """A loss in nats per token that no such model can get below, and a sentence that says why."""

    loss: float
    why: str


def loss_floor_of(recipe: Recipe, corpus: Corpus) -> Floor | None:
    """Return the floor of bigram tables, or that of any model where the process that made the text is known."""
    if isinstance(recipe.model, BigramConfig):
        vocab_size = corpus.tokenizer.vocab_size
        counted = bigram_counts_loss(corpus.train, corpus.val, vocab_size)
        why = (
            f"what a table counted from this very text loses; one counted from the training text loses {counted:.4f}, "
            f"and {bigram_optimum(corpus.train, vocab_size):.4f} on that itself, where no table is better"
        )
        return Floor(bigram_optimum(corpus.val, vocab_size), why)
    loss = corpus_loss_floor(corpus, "val", recipe.model.block_size, recipe.eval_stride)
    if loss is None:
        return None
    windows = f"the same windows of {recipe.model.block_size}"
    return Floor(loss, f"what the best predictor, which knows how the text was made, loses on {windows}")
