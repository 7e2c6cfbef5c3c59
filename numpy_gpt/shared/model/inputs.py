"""Checks of all inputs to a model, the same for both twins; no input is cast, clipped or wrapped around."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import Shape, dropout_shapes, parameter_shapes


def check_tokens(tokens: Any, config: ModelConfig) -> Tokens:
    """Return ``tokens`` as an integer array (B, T).

    Raises
    ------
    UserError
        If they are not (B, T) with B, T ≥ 1 and T ≤ block_size, not integers, or not in [0, vocab_size).
    """
    ids = _id_array(tokens)
    if ids.ndim != 2 or 0 in ids.shape:
        raise UserError(f"tokens must have shape (B, T) with at least one token, not {ids.shape}")
    _check_integers(ids)
    if ids.shape[1] > config.block_size:
        raise UserError(
            f"{ids.shape[1]} tokens do not fit into block_size={config.block_size}; give at most {config.block_size}"
        )
    _check_range(ids, config.vocab_size)
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
        raise UserError(f"targets must have the tokens' shape {tokens.shape}, not {ids.shape}")
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
    ids = _id_array(prompt)
    if ids.ndim != 1 or ids.size == 0:
        raise UserError(f"a prompt must be one row of at least one token, not an array of shape {ids.shape}")
    _check_integers(ids)
    _check_range(ids, config.vocab_size)
    return [int(token) for token in ids]


def check_masks(masks: Mapping[str, Any], config: ModelConfig, batch: int, time: int, dtype: Any) -> None:
    """Check dropout masks; having no masks at all is valid and means no dropout. ``dtype`` is NumPy's or torch's.

    Raises
    ------
    UserError
        If a mask is missing or unknown, or differs in shape or dtype from the array it multiplies.
    """
    if not masks:
        return
    shapes = _dropout_shapes(config, batch, time)
    wanted = _dtype_name(dtype)
    for name in sorted(shapes.keys() ^ masks.keys()):
        raise UserError(f"{'missing' if name in shapes else 'unknown'} dropout mask {name!r}; give all of them or none")
    for name, shape in shapes.items():
        given = tuple(masks[name].shape), _dtype_name(masks[name].dtype)
        if given != (shape, wanted):
            raise UserError(f"dropout mask {name!r} must be {wanted} of shape {shape}, not {given[1]} {given[0]}")


def check_values(config: ModelConfig, values: Mapping[str, Array]) -> dict[str, Shape]:
    """Check that ``values`` have the model's parameter names and shapes, and return these shapes.

    Raises
    ------
    UserError
        If a tensor is missing or unknown, has the wrong shape, or has a different floating dtype from the others.
    """
    shapes = parameter_shapes(config)
    for name in sorted(shapes.keys() ^ values.keys()):
        raise UserError(f"{'missing' if name in shapes else 'unknown'} parameter {name!r} for this config")
    if {value.dtype for value in values.values()} not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        dtypes = sorted({str(value.dtype) for value in values.values()})
        raise UserError(f"all parameters must be float32, or all float64, in this machine's byte order, not {dtypes}")
    for name, shape in shapes.items():
        if values[name].shape != shape:
            raise UserError(f"parameter {name!r} must have shape {shape}, not {values[name].shape}")
    return shapes


def require_gpt(config: ModelConfig) -> GPTConfig:
    """Return the config itself if it is a GPT's: for code that needs layers, heads or positions.

    Raises
    ------
    UserError
        If the model is of another kind.
    """
    if isinstance(config, GPTConfig):
        return config
    raise UserError("the model must be a GPT, but this one is a bigram model, which has no layers; choose another one")


_dropout_shapes = lru_cache(maxsize=16)(dropout_shapes)  # the same in every step


@lru_cache(maxsize=16)
def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _id_array(ids: Any) -> Tokens:
    try:
        return np.asarray(ids)
    except ValueError as error:
        raise UserError("token ids must form one array (B, T), but the rows have different lengths") from error


def _check_integers(ids: Tokens) -> None:
    if ids.dtype.kind not in "iu":
        raise UserError(f"token ids must be integers, not {ids.dtype}")


def _check_range(ids: Tokens, vocab_size: int, what: str = "token ids") -> None:
    # Viewed as unsigned, a negative id is huge, so one maximum checks both bounds.
    if np.maximum.reduce(ids.astype(np.int64, copy=False).view(np.uint64), axis=None) >= vocab_size:
        place = tuple(int(axis) for axis in np.argwhere((ids < 0) | (ids >= vocab_size))[0])
        raise UserError(f"{what} must lie in [0, {vocab_size}), but the one at {place} is {ids[place]}")
