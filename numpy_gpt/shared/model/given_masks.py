"""One verdict on given dropout masks, for both twins."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import Shape, dropout_shapes

_shapes = lru_cache(maxsize=16)(dropout_shapes)


def check_masks(masks: Mapping[str, Any], config: ModelConfig, batch: int, time: int, dtype: Any) -> None:
    """Say what is wrong with the masks; none at all are right, and mean no dropout. ``dtype`` is NumPy's or torch's.

    Raises
    ------
    UserError
        If one is missing or unknown, or has another shape or dtype than what it is multiplied with.
    """
    if not masks:
        return
    shapes: Mapping[str, Shape] = _shapes(config, batch, time)
    wanted = _name_of(dtype)
    for name in sorted(shapes.keys() ^ masks.keys()):
        raise UserError(f"{'missing' if name in shapes else 'unknown'} dropout mask {name!r}; give all of them or none")
    for name, shape in shapes.items():
        given = tuple(masks[name].shape), _name_of(masks[name].dtype)
        if given != (shape, wanted):
            raise UserError(f"dropout mask {name!r} must be {wanted} of shape {shape}, not {given[1]} {given[0]}")


@lru_cache(maxsize=16)
def _name_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
