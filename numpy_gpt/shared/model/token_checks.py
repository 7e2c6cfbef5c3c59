"""Checks of token ids and targets, the same for both twins; no id is cast, clipped or wrapped around."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import ModelConfig

IGNORED_TARGET = -100
"""A target that does not count, as in PyTorch; nanoGPT's −1 is understood too."""

_IGNORED = (IGNORED_TARGET, -1)
_IGNORED_REMEDY = "; -100 or -1 marks one that does not count"


def check_tokens(tokens: Any, config: ModelConfig) -> Tokens:
    """Return ``tokens`` as an integer array (B, T).

    Raises
    ------
    UserError
        If they are not (B, T) with B, T ≥ 1 and T ≤ block_size, not integers, or not in [0, vocab_size).
    """
    ids = _id_array(tokens, "token ids")
    if ids.ndim != 2 or 0 in ids.shape:
        remedy = (
            "; one sequence is a batch of one: [tokens], with two pairs of brackets"
            if ids.ndim == 1 and ids.size
            else ""
        )
        raise UserError(f"tokens must have shape (B, T) with at least one token, not {ids.shape}{remedy}")
    _check_integers(ids, "token ids")
    if ids.shape[1] > config.block_size:
        raise UserError(
            f"{ids.shape[1]} tokens do not fit into block_size={config.block_size}; give at most {config.block_size}"
        )
    _check_range(ids, config.vocab_size, "token ids")
    return ids.astype(np.intp, copy=False)  # every id fits this type, and NumPy indexes with it


def check_targets(targets: Any, tokens: Tokens, config: ModelConfig) -> Tokens:
    """Return ``targets`` as an integer array of the tokens' shape, with ``IGNORED_TARGET`` for those that do not count.

    Raises
    ------
    UserError
        If the shape differs from the tokens', or a target is neither an integer in [0, vocab_size) nor −100 or −1.
    """
    ids = _id_array(targets, "targets")
    if ids.shape != tokens.shape:
        remedy = "; one sequence is a batch of one: [targets]" if ids.shape == tokens.shape[1:] else ""
        raise UserError(f"targets must have the tokens' shape {tokens.shape}, not {ids.shape}{remedy}")
    _check_integers(ids, "targets")
    if ids.dtype.kind == "i" and np.minimum.reduce(ids, axis=None) < 0:
        ignored = np.isin(ids, _IGNORED)
        _check_range(np.where(ignored, 0, ids), config.vocab_size, "targets", _IGNORED_REMEDY)
        return np.where(ignored, IGNORED_TARGET, ids).astype(np.intp, copy=False)
    _check_range(ids, config.vocab_size, "targets")
    return ids.astype(np.intp, copy=False)


def count_targets(targets: Tokens) -> int:
    """Return how many targets count: those that are not negative.

    Raises
    ------
    UserError
        If none does.
    """
    return require_targets(int(np.count_nonzero(targets >= 0)))


def require_targets(count: int) -> int:
    """Return the number of targets that count, which must be at least one.

    Raises
    ------
    UserError
        If it is 0, so that there is no mean loss.
    """
    if count == 0:
        raise UserError("at least one target must count, but all are -100 or -1; give at least one next token")
    return count


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
    ids = _id_array(sequence, "token ids")
    if ids.ndim != 1 or ids.size == 0:
        remedy = f"; {verb} one sequence at a time, with one pair of brackets" if ids.ndim == 2 else ""
        raise UserError(f"{what} must be one row of at least one token, not an array of shape {ids.shape}{remedy}")
    _check_integers(ids, "token ids")
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


def _id_array(ids: Any, what: str) -> Tokens:
    if _is_masked(ids):
        raise UserError(f"{what} must not be a masked array: the mask would be lost; select the valid ones")
    try:
        array = np.asarray(ids)
    except (ValueError, TypeError, RuntimeError) as error:
        if isinstance(ids, list | tuple) and isinstance(error, ValueError):
            raise UserError(f"{what} must form one array (B, T), but the rows have different lengths") from error
        raise UserError(f"{what} must be integers, not {describe(ids)}") from error
    if array.ndim == 0 and not isinstance(ids, np.ndarray):
        remedy = "; encode the text first, or ask the model that load_model returns" if isinstance(ids, str) else ""
        raise UserError(f"{what} must be an array of integers, not {describe(ids)}{remedy}")
    return array


def _is_masked(ids: Any) -> bool:
    if isinstance(ids, list | tuple):
        return any(map(_is_masked, ids))
    return isinstance(ids, np.ma.MaskedArray)


def _check_integers(ids: Tokens, what: str) -> None:
    if ids.dtype.kind not in "iu":
        raise UserError(f"{what} must be integers, not {ids.dtype}")


def _check_range(ids: Tokens, vocab_size: int, what: str, remedy: str = "") -> None:
    # Viewed as unsigned, a negative id is huge, so one maximum checks both bounds.
    if np.maximum.reduce(ids.astype(np.int64, copy=False).view(np.uint64), axis=None) >= vocab_size:
        place = tuple(int(axis) for axis in np.argwhere((ids < 0) | (ids >= vocab_size))[0])
        raise UserError(f"{what} must lie in [0, {vocab_size}), but the one at {place} is {ids[place]}{remedy}")
