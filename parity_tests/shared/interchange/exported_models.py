"""Small models of every kind that is exported, with a vocabulary of every kind."""

from __future__ import annotations

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.tokenizer_kinds import make_tokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from parity_tests.gpt_data.bpe_vocabularies import SMALL
from parity_tests.shared.interchange.foreign_files import config_of, random_values

TOKENIZERS = {
    "characters": CharacterTokenizer(tuple("\n abcdefgé☃🦊")),
    "words": WordTokenizer(("\n", " ", ",", "a", "don't", "naïve", "well-known", "x²", "é", "́", "☃")),
    "special": make_tokenizer("words", (" ", "a", "<bos>", "bc", "<|endoftext|>", "<unk>", ".", ">")),
    "bpe": SMALL,
    "ids": IdTokenizer(11),
}


def model_of(tokenizer="characters", dtype="float32", **changes):
    """Return a checkpoint with random weights, whose model has a row for each token of the vocabulary."""
    config = config_of(**{"vocab_size": TOKENIZERS[tokenizer].vocab_size, **changes})
    return Checkpoint(config, TOKENIZERS[tokenizer], random_values(config, 3, dtype), 7)
