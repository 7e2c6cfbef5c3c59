"""Checks of arrays: their type, shape and dtype, and the names of a model's parameters and dropout masks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.argument_checks import check_mapping
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.config_checks import check_config
from numpy_gpt.shared.model.names import Shape, dropout_shapes, parameter_shapes


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
    wanted = dtype_name(dtype)
    for name in sorted(shapes.keys() ^ masks.keys(), key=str):
        word = "missing" if name in shapes else "unknown"
        raise UserError(f"{word} dropout mask {describe(name)}; give all of them or none")
    for name, shape in shapes.items():
        mask = masks[name]
        check_array(f"dropout mask {name!r}", mask, kind)
        given = tuple(mask.shape), dtype_name(mask.dtype)
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


_dropout_shapes = lru_cache(maxsize=16)(dropout_shapes)  # the same in every step


@lru_cache(maxsize=16)
def dtype_name(dtype: Any) -> str:
    """Return the name of NumPy's or torch's dtype, such as float32."""
    return str(dtype).removeprefix("torch.")
