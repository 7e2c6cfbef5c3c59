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
