"""One verdict on token ids for both twins: no id is cast, clipped or wrapped around."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import ModelConfig


def check_tokens(tokens: Any, config: ModelConfig) -> Tokens:
    """Return ``tokens`` as an integer array (B, T), or say what is wrong with them.

    Raises
    ------
    UserError
        If they are not (B, T) with B, T ≥ 1 and T ≤ block_size, not integers, or not in [0, vocab_size).
    """
    ids = _array(tokens)
    if ids.ndim != 2 or 0 in ids.shape:
        raise UserError(f"tokens must have shape (B, T) with at least one token, not {ids.shape}")
    _check_kind(ids)
    if ids.shape[1] > config.block_size:
        raise UserError(
            f"{ids.shape[1]} tokens do not fit into block_size={config.block_size}; give at most {config.block_size}"
        )
    _check_range(ids, config.vocab_size)
    return ids.astype(np.intp, copy=False)  # every id fits, and this is what NumPy looks places up by


def check_targets(targets: Any, tokens: Tokens, config: ModelConfig) -> Tokens:
    """Return ``targets`` as an integer array of the tokens' shape, or say what is wrong with them.

    Raises
    ------
    UserError
        If the shape differs from the tokens', or an id is not an integer in [0, vocab_size).
    """
    ids = _array(targets)
    if ids.shape != tokens.shape:
        raise UserError(f"targets must have the tokens' shape {tokens.shape}, not {ids.shape}")
    _check_kind(ids)
    _check_range(ids, config.vocab_size)
    return ids.astype(np.intp, copy=False)


def check_prompt(prompt: Any, config: ModelConfig) -> list[int]:
    """Return the prompt, which may be longer than the context, as a list of ids, or say what is wrong with it.

    Raises
    ------
    UserError
        If it is empty, is not one row of integers, or an id is not in [0, vocab_size).
    """
    ids = _array(prompt)
    if ids.ndim != 1 or ids.size == 0:
        raise UserError(f"a prompt must be one row of at least one token, not an array of shape {ids.shape}")
    _check_kind(ids)
    _check_range(ids, config.vocab_size)
    return [int(token) for token in ids]


def _check_kind(ids: Tokens) -> None:
    if ids.dtype.kind not in "iu":
        raise UserError(f"token ids must be integers, not {ids.dtype}")


def _array(ids: Any) -> Tokens:
    try:
        return np.asarray(ids)
    except ValueError as error:
        raise UserError("token ids must form one array (B, T), but the rows have different lengths") from error


def _check_range(ids: Tokens, vocab_size: int) -> None:
    # Read as unsigned, a negative id is a huge one: so one look at the largest does.
    if np.maximum.reduce(ids.astype(np.int64, copy=False).view(np.uint64), axis=None) >= vocab_size:
        place = tuple(int(axis) for axis in np.argwhere((ids < 0) | (ids >= vocab_size))[0])
        raise UserError(f"token ids must lie in [0, {vocab_size}), but the one at {place} is {ids[place]}")
