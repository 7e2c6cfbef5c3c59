"""One verdict on the arrays that a model is made of, for both twins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import Shape, parameter_shapes


def check_values(config: ModelConfig, values: Mapping[str, Array]) -> dict[str, Shape]:
    """Return the model's parameter shapes, which ``values`` have, or say what is wrong with them.

    Raises
    ------
    UserError
        If a tensor is missing, superfluous, of another shape, or not of the same floating dtype as the others.
    """
    shapes = parameter_shapes(config)
    for name in sorted(shapes.keys() ^ values.keys()):
        raise UserError(f"{'missing' if name in shapes else 'unknown'} parameter {name!r} for this config")
    if {value.dtype for value in values.values()} not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        kinds = sorted({str(value.dtype) for value in values.values()})
        raise UserError(f"all parameters must be float32, or all float64, in this machine's byte order, not {kinds}")
    for name, shape in shapes.items():
        if values[name].shape != shape:
            raise UserError(f"parameter {name!r} must have shape {shape}, not {values[name].shape}")
    return shapes
