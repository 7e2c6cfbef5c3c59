"""What only a GPT has, only a GPT can be asked for."""

from __future__ import annotations

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig


def require_gpt(config: ModelConfig) -> GPTConfig:
    """Return the config itself where it is a GPT's: for whatever looks into layers, heads or positions.

    Raises
    ------
    UserError
        If the model is of another kind.
    """
    if isinstance(config, GPTConfig):
        return config
    raise UserError("the model must be a GPT, but this one is a bigram model, which has no layers; choose another one")
