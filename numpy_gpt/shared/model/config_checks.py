"""Checks of a config: that it is one, and of which kind of model."""

from __future__ import annotations

from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig


def check_config(config: Any) -> ModelConfig:
    """Return the config itself.

    Raises
    ------
    UserError
        If it is neither a GPTConfig nor a BigramConfig.
    """
    if isinstance(config, GPTConfig | BigramConfig):
        return config
    raise UserError(f"config must be a GPTConfig or a BigramConfig, not {describe(config)}")


def require_gpt(config: ModelConfig) -> GPTConfig:
    """Return the config itself if it is a GPT's: for code that needs layers, heads or positions.

    Raises
    ------
    UserError
        If the model is of another kind.
    """
    if isinstance(config, GPTConfig):
        return config
    check_config(config)
    raise UserError("the model must be a GPT, but this one is a bigram model, which has no layers; choose another one")


def require_bigram(config: ModelConfig) -> BigramConfig:
    """Return the config itself if it is a bigram model's: for code that takes the embedding for a table of logits.

    Raises
    ------
    UserError
        If the model is of another kind.
    """
    if isinstance(config, BigramConfig):
        return config
    check_config(config)
    raise UserError("the model must be a bigram model, but this one is a GPT; use gpt_forward")


def require_attention(config: ModelConfig) -> GPTConfig:
    """Return the config itself if the model has attention.

    Raises
    ------
    UserError
        If it is a bigram model, or a GPT without layers.
    """
    if isinstance(config, BigramConfig):
        raise UserError("a bigram model has no attention: it sees nothing but the last token; choose a GPT")
    if require_gpt(config).n_layer == 0:
        raise UserError("this model has no layers, so no attention to show; choose another one")
    return require_gpt(config)


def check_place(option: str, value: int | None, count: int, owner: str = "this model", first: int = 0) -> None:
    """Check the number of a layer, head or position, as given with an option of that name; None is no choice.

    ``owner`` has ``count`` of them, numbered from ``first``.

    Raises
    ------
    UserError
        If there is none of that number.
    """
    last = first + count - 1
    if value is not None and not first <= value <= last:
        several = f"{count:,} {option}s, numbered {first} to {last}"
        have = several if count > 1 else f"one {option}, number {first}" if count else f"no {option}s"
        raise UserError(f"--{option} {describe(value)} does not exist: {owner} has {have}")
