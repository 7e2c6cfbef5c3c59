"""Checks of all inputs to a model, the same for both twins; no input is cast, clipped or wrapped around.

Public functions check their arguments here, once; what they call trusts them.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import Shape, dropout_shapes, parameter_shapes


def check_number(name: str, value: Any) -> float:
    """Return a real number as a float; True is not a number, nor is an array of one.

    Raises
    ------
    UserError
        If it is not a real number, or is too large for a float.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise UserError(f"{name} must be a number, not {describe(value)}")
    try:
        return float(value)
    except OverflowError:
        raise UserError(f"{name} must be a number that a float can hold, not {describe(value)}") from None


def check_max_norm(max_norm: Any) -> None:
    """Check the norm that gradients are clipped to; 0 and inf mean no clipping.

    Raises
    ------
    UserError
        If it is not a number of at least 0; NaN is not.
    """
    if not check_number("max_norm", max_norm) >= 0:
        raise UserError(f"max_norm must be at least 0, not {max_norm}; 0 does not clip")


def check_flags(**flags: Any) -> None:
    """Check that each of the named arguments is True or False.

    Raises
    ------
    UserError
        If one is anything else.
    """
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise UserError(f"{name} must be True or False, not {describe(value)}")


def check_callable(name: str, value: Any, remedy: str) -> None:
    """Check an argument that must be a function.

    Raises
    ------
    UserError
        If it cannot be called.
    """
    if not callable(value):
        raise UserError(f"{name} must be a function, not {describe(value)}; {remedy}")


def check_record(record: Any) -> None:
    """Check that ``record`` is a function; a dictionary becomes one by ``keep_in``.

    Raises
    ------
    UserError
        If it cannot be called.
    """
    check_callable("record", record, "keep_in(dictionary) makes one that keeps every array")


def check_mapping(name: str, value: Any, kind: type = Mapping) -> None:
    """Check an argument that must be a dictionary or another mapping by name.

    Raises
    ------
    UserError
        If it is something else.
    """
    if not isinstance(value, kind):
        what = "a dictionary" if kind is MutableMapping else "a mapping of names to arrays"
        raise UserError(f"{name} must be {what}, not {describe(value)}")


def check_array(name: str, value: Any, kind: type = np.ndarray) -> None:
    """Check that an argument is a NumPy array without a mask; ``kind`` is another type of array, such as a tensor.

    Raises
    ------
    UserError
        If it is another type, such as a list, or a masked array, whose mask would be lost.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise UserError(f"{name} must not be a masked array: the mask would be lost; fill it, or select what is valid")
    if not isinstance(value, kind):
        what = "a NumPy array" if kind is np.ndarray else "a torch tensor"
        raise UserError(f"{name} must be {what}, not {describe(value)}")


def check_row(name: str, row: Array) -> None:
    """Check that a NumPy array is one row (V,) of at least one floating-point number.

    Raises
    ------
    UserError
        If it has another number of axes, is empty, or has another dtype.
    """
    if row.ndim != 1 or row.size == 0:
        raise UserError(f"{name} must have shape (V,), those of one position, not {row.shape}")
    if row.dtype.kind != "f":
        raise UserError(f"{name} must be floating-point numbers, not {row.dtype}")


def check_cotangent(name: str, value: Any, shape: Shape, dtype: Any) -> None:
    """Check the gradient of a result: a NumPy array of the result's shape and dtype.

    Raises
    ------
    UserError
        If it is not.
    """
    check_array(name, value)
    if value.shape != shape or value.dtype != dtype:
        raise UserError(f"{name} must be {dtype} of shape {shape}, not {value.dtype} {value.shape}")


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
    ids = _id_array(prompt)
    if ids.ndim != 1 or ids.size == 0:
        remedy = "; continue one sequence at a time, with one pair of brackets" if ids.ndim == 2 else ""
        raise UserError(f"a prompt must be one row of at least one token, not an array of shape {ids.shape}{remedy}")
    _check_integers(ids)
    _check_range(ids, config.vocab_size, "token ids")
    return [int(token) for token in ids]


def check_masks(
    masks: Mapping[str, Any], config: ModelConfig, batch: int, time: int, dtype: Any, kind: Any = np.ndarray
) -> None:
    """Check dropout masks; having no masks at all is valid and means no dropout.

    ``dtype`` is NumPy's or torch's; ``kind`` is the type of array, or several, that a mask may have.

    Raises
    ------
    UserError
        If a mask is missing or unknown, or differs in type, shape or dtype from the array it multiplies.
    """
    check_mapping("masks", masks)
    if not masks:
        return
    shapes = _dropout_shapes(config, batch, time)
    wanted = _dtype_name(dtype)
    for name in sorted(shapes.keys() ^ masks.keys(), key=str):
        word = "missing" if name in shapes else "unknown"
        raise UserError(f"{word} dropout mask {describe(name)}; give all of them or none")
    for name, shape in shapes.items():
        mask = masks[name]
        check_array(f"dropout mask {name!r}", mask, kind)
        given = tuple(mask.shape), _dtype_name(mask.dtype)
        if given != (shape, wanted):
            raise UserError(f"dropout mask {name!r} must be {wanted} of shape {shape}, not {given[1]} {given[0]}")


def check_values(config: ModelConfig, values: Mapping[str, Array]) -> dict[str, Shape]:
    """Check that ``values`` have the model's parameter names and shapes, and return these shapes.

    Raises
    ------
    UserError
        If a tensor is missing or unknown, is not a NumPy array, has the wrong shape, or has a different floating dtype
        from the others.
    """
    check_mapping("values", values)
    shapes = parameter_shapes(check_config(config))
    check_names(shapes, values)
    for name, value in values.items():
        check_array(f"parameter {name!r}", value)
    if {value.dtype for value in values.values()} not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        dtypes = sorted({str(value.dtype) for value in values.values()})
        raise UserError(f"all parameters must be float32, or all float64, in this machine's byte order, not {dtypes}")
    for name, shape in shapes.items():
        if values[name].shape != shape:
            raise UserError(f"parameter {name!r} must have shape {shape}, not {values[name].shape}")
    return shapes


def check_names(shapes: Mapping[str, Shape], given: Mapping[str, Any]) -> None:
    """Check that parameters have the names of ``shapes``, in any order.

    Raises
    ------
    UserError
        If one is missing or unknown.
    """
    for name in sorted(shapes.keys() ^ given.keys(), key=str):
        raise UserError(f"{'missing' if name in shapes else 'unknown'} parameter {describe(name)} for this config")


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


_dropout_shapes = lru_cache(maxsize=16)(dropout_shapes)  # the same in every step


@lru_cache(maxsize=16)
def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


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
        raise UserError(f"token ids must be an array of integers, not {describe(ids)}")
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
