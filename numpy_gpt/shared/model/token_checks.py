"""Checks of token ids, the same for both twins; no id is cast, clipped or wrapped around."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import ModelConfig


def check_tokens(tokens: Any, config: ModelConfig) -> Tokens:
    """Return ``tokens`` as an integer array (B, T).

    Raises
    ------
    UserError
        If they are not (B, T) with B, T ≥ 1 and T ≤ block_size, not integers, or not in [0, vocab_size).
    """
    ids = _id_array(tokens)
    if ids.ndim != 2 or 0 in ids.shape:
        remedy = (
            "; one sequence is a batch of one: [tokens], with two pairs of brackets"
            if ids.ndim == 1 and ids.size
            else ""
        )
        raise UserError(f"tokens must have shape (B, T) with at least one token, not {ids.shape}{remedy}")
    _check_integers(ids)
    if ids.shape[1] > config.block_size:
        raise UserError(
            f"{ids.shape[1]} tokens do not fit into block_size={config.block_size}; give at most {config.block_size}"
        )
    _check_range(ids, config.vocab_size, "token ids")
    return ids.astype(np.intp, copy=False)  # every id fits this type, and NumPy indexes with it


def check_targets(targets: Any, tokens: Tokens, config: ModelConfig) -> Tokens:
    """Return ``targets`` as an integer array of the tokens' shape.

    Raises
    ------
    UserError
        If the shape differs from the tokens', or an id is not an integer in [0, vocab_size).
    """
    ids = _id_array(targets)
    if ids.shape != tokens.shape:
        remedy = "; one sequence is a batch of one: [targets]" if ids.shape == tokens.shape[1:] else ""
        raise UserError(f"targets must have the tokens' shape {tokens.shape}, not {ids.shape}{remedy}")
    _check_integers(ids)
    _check_range(ids, config.vocab_size, "targets")
    return ids.astype(np.intp, copy=False)


def check_prompt(prompt: Any, config: ModelConfig) -> list[int]:
    """Return the prompt, which may be longer than the context, as a list of ids.

    Raises
    ------
    UserError
        If it is empty, is not one row of integers, or an id is not in [0, vocab_size).
    """
    return [int(token) for token in check_sequence(prompt, config.vocab_size, "a prompt", "continue")]


def check_sequence(sequence: Any, vocab_size: int, what: str, verb: str = "give") -> Tokens:
    """Return one sequence as an array of ids (T,); the message says ``what`` it must be, and to ``verb`` one of them.

    Raises
    ------
    UserError
        If it is empty, is not one row of integers, or an id is not in [0, vocab_size).
    """
    ids = _id_array(sequence)
    if ids.ndim != 1 or ids.size == 0:
        remedy = f"; {verb} one sequence at a time, with one pair of brackets" if ids.ndim == 2 else ""
        raise UserError(f"{what} must be one row of at least one token, not an array of shape {ids.shape}{remedy}")
    _check_integers(ids)
    _check_range(ids, vocab_size, "token ids")
    return ids.astype(np.intp, copy=False)


def check_length(time: int, block_size: int) -> None:
    """Refuse a text of more tokens than the model reads at once.

    Raises
    ------
    UserError
        If it is too long.
    """
    if time > block_size:
        raise UserError(
            f"the text has {time} tokens (spaces count), and this model reads at most {block_size}; shorten it"
        )


def _id_array(ids: Any) -> Tokens:
    if _is_masked(ids):
        raise UserError("token ids must not be a masked array: the mask would be lost; select the valid ones")
    try:
        array = np.asarray(ids)
    except (ValueError, TypeError, RuntimeError) as error:
        if isinstance(ids, list | tuple) and isinstance(error, ValueError):
            raise UserError("token ids must form one array (B, T), but the rows have different lengths") from error
        raise UserError(f"token ids must be integers, not {describe(ids)}") from error
    if array.ndim == 0 and not isinstance(ids, np.ndarray):
        remedy = "; encode the text first, or ask the model that load_model returns" if isinstance(ids, str) else ""
        raise UserError(f"token ids must be an array of integers, not {describe(ids)}{remedy}")
    return array


def _is_masked(ids: Any) -> bool:
    if isinstance(ids, list | tuple):
        return any(map(_is_masked, ids))
    return isinstance(ids, np.ma.MaskedArray)


def _check_integers(ids: Tokens) -> None:
    if ids.dtype.kind not in "iu":
        raise UserError(f"token ids must be integers, not {ids.dtype}")


def _check_range(ids: Tokens, vocab_size: int, what: str) -> None:
    # Viewed as unsigned, a negative id is huge, so one maximum checks both bounds.
    if np.maximum.reduce(ids.astype(np.int64, copy=False).view(np.uint64), axis=None) >= vocab_size:
        place = tuple(int(axis) for axis in np.argwhere((ids < 0) | (ids >= vocab_size))[0])
        raise UserError(f"{what} must lie in [0, {vocab_size}), but the one at {place} is {ids[place]}")
