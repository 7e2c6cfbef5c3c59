"""Named recipes: a corpus, a model config, and suitable training settings."""

from __future__ import annotations

from dataclasses import replace

from gpt_data.errors import UserError
from gpt_data.wording import describe, list_names, quote, suggest
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig


def preset(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises
    ------
    UserError
        If there is no such preset; the message lists them and suggests the closest.
    """
    if not isinstance(name, str):
        raise UserError(f"a preset must be a name, not {describe(name)}; known: {list_names(PRESETS)}")
    if name not in PRESETS:
        raise UserError(f"unknown preset {quote(name)}{suggest(name, PRESETS) or ';'} known: {list_names(PRESETS)}")
    return PRESETS[name]


def _recipe(name: str, dataset: str, model: ModelConfig, training: TrainingConfig) -> Recipe:
    return Recipe(name=name, dataset=dataset, model=model, training=training)


_TINY = GPTConfig(vocab_size=32, block_size=8, n_layer=2, n_head=2, n_embd=6, bias=False)

# nanoGPT's train_shakespeare_char: 10.7 million parameters, with the exact GELU, like nanoGPT's.
_SHAKESPEARE = GPTConfig(
    vocab_size=65, block_size=256, n_layer=6, n_head=6, n_embd=384, bias=False, activation="gelu_erf", dropout=0.2
)
_NANO = TrainingConfig(
    batch_size=64,
    max_iters=5000,
    learning_rate=1e-3,
    min_lr=1e-4,
    warmup_iters=100,
    eval_interval=250,
    eval_stride=None,
    eval_iters=200,
    log_interval=10,
)

FINE_TUNING = TrainingConfig(
    batch_size=4,
    max_iters=200,
    learning_rate=3e-5,
    min_lr=3e-5,
    warmup_iters=0,
    eval_interval=50,
    eval_stride=None,
    log_interval=10,
)
"""For a model without a recipe: the constant rate at which nanoGPT fine-tunes GPT-2, too low to do harm."""

_PRESETS = (
    # 1,134 parameters: small enough to follow every digit by hand. The low learning rate and long warm-up keep training
    # from becoming chaotic: in float64 a difference in the last bit at the start is still invisible at the end, so the
    # twins can agree.
    _recipe("tiny", "tiny", _TINY, TrainingConfig()),
    # 6,864 parameters could memorize the order of the 170 training phrases: dropout prevents that.
    _recipe(
        "tiny16", "tiny", replace(_TINY, n_embd=16, dropout=0.1), TrainingConfig(max_iters=4000, learning_rate=5e-3)
    ),
    # The same text character by character: longer windows, fewer distinct tokens.
    _recipe(
        "tiny-characters",
        "tiny-characters",
        replace(_TINY, vocab_size=25, block_size=16, n_embd=16, dropout=0.1),
        TrainingConfig(max_iters=4000, learning_rate=5e-3),
    ),
    # 25,344 parameters memorize 182 words; a context of 8 fits any word and the end of the previous one.
    _recipe(
        "words",
        "words",
        replace(_TINY, vocab_size=11, n_embd=32),
        TrainingConfig(batch_size=32, max_iters=4000, learning_rate=1e-2, warmup_iters=100),
    ),
    # A context of 32 fits the longest sentence, whose subject determines its verb's ending.
    _recipe(
        "grammar",
        "grammar",
        replace(_TINY, vocab_size=54, block_size=32, n_layer=3, n_head=4, n_embd=64),
        TrainingConfig(batch_size=32, max_iters=4000, learning_rate=5e-3, warmup_iters=100, eval_stride=None),
    ),
    _recipe("shakespeare", "shakespeare", _SHAKESPEARE, _NANO),
    # The same model reaches a lower loss in fewer steps with smaller batches and an EMA of the weights.
    _recipe(
        "shakespeare-best",
        "shakespeare",
        _SHAKESPEARE,
        replace(_NANO, batch_size=24, max_iters=3600, lr_decay_iters=3200, eval_interval=400, ema_decay=0.997),
    ),
    # nanoGPT's recipe for a CPU, 804,096 parameters and no dropout, at twice its learning rate: in only 2,000
    # steps, the higher rate reaches a validation loss of 1.82 instead of 1.90 to 1.92.
    _recipe(
        "shakespeare-cpu",
        "shakespeare",
        replace(_SHAKESPEARE, block_size=64, n_layer=4, n_head=4, n_embd=128, dropout=0.0),
        replace(_NANO, batch_size=12, max_iters=2000, learning_rate=2e-3, eval_iters=20),
    ),
    # TinyGPT's shape and settings: ReLU, untied, biases.
    _recipe(
        "tinygpt",
        "shakespeare",
        GPTConfig(vocab_size=65, block_size=128, n_layer=4, n_head=4, n_embd=128, tie_weights=False, activation="relu"),
        replace(_NANO, max_iters=2000, learning_rate=3e-3, min_lr=3e-4, eval_iters=20),
    ),
    # Mini GPT's shape, with the output projection that its batched attention lacks, and scores scaled by the head size.
    # Without its dropout: 10,000 batches of 6 windows are less than two passes over the text, too few to memorize it.
    _recipe(
        "minigpt",
        "shakespeare",
        GPTConfig(vocab_size=65, block_size=32, n_layer=3, n_head=4, n_embd=64, tie_weights=False, activation="relu"),
        replace(
            _NANO,
            batch_size=6,
            max_iters=10000,
            learning_rate=3e-3,
            eval_interval=1000,
            eval_iters=20,
            log_interval=100,
        ),
    ),
    # microgpt's shape and optimizer on this project's words, with 11 characters, instead of names with 27. It reads a
    # name a step, between two marks, where this reads one window of a text; its rate falls along a line, here along a
    # cosine; and its initial weights have the standard deviation 0.08, here GPT-2's 0.02.
    _recipe(
        "microgpt",
        "words",
        GPTConfig(
            vocab_size=11,
            block_size=16,
            n_layer=1,
            n_head=4,
            n_embd=16,
            bias=False,
            tie_weights=False,
            activation="relu",
            norm="rms_norm",
        ),
        TrainingConfig(
            batch_size=1,
            max_iters=1000,
            learning_rate=1e-2,
            min_lr=0.0,
            warmup_iters=0,
            weight_decay=0.0,
            beta1=0.85,
            grad_clip=0.0,
            eval_interval=250,
        ),
    ),
    # TinyGPT's baseline: 4,225 parameters that learn which character follows which.
    _recipe(
        "bigram",
        "shakespeare",
        BigramConfig(vocab_size=65, block_size=128),
        replace(_NANO, max_iters=2000, learning_rate=3e-2, weight_decay=0.0, eval_interval=500, eval_iters=20),
    ),
)

PRESETS = {recipe.name: recipe for recipe in _PRESETS}
