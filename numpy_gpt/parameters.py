"""All numbers of a model in one flat array, with a named view for each tensor.

The optimizer, clipping and checkpoints see one array; the layers see tensors; neither copies. Matrices come first in
the flat array, so that those that weight decay shrinks are one slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import prod

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.config import ModelConfig
from numpy_gpt.shared.model_kind import gpt_config
from numpy_gpt.shared.names import Shape, parameter_shapes
from numpy_gpt.shared.parameter_values import check_values


class Parameters(Mapping[str, Array]):
    """A mapping from GPT-2's names to views of one flat array; gradients and moments have the same form."""

    def __init__(self, config: ModelConfig, flat: Array) -> None:
        self.config = config
        self.flat = flat
        self._views: dict[str, Array] = {}
        offset = 0
        for name, shape in _flat_order(config).items():
            self._views[name] = flat[offset : offset + prod(shape)].reshape(shape)
            offset += prod(shape)
        if flat.shape != (offset,):
            raise UserError(f"this model has {offset:,} parameters, but the flat array has shape {flat.shape}")

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(parameter_shapes(self.config))

    def __len__(self) -> int:
        return len(self._views)

    @cached_property
    def blocks(self) -> list[dict[str, Array]]:
        """The tensors of each block of a GPT under their names inside it, such as ``attn.c_attn.weight``."""
        prefixes = [f"h.{layer}." for layer in range(gpt_config(self.config).n_layer)]
        return [
            {name.removeprefix(prefix): self[name] for name in self if name.startswith(prefix)} for prefix in prefixes
        ]

    @property
    def head(self) -> Array:
        """The output head (V, C) of a GPT: ``wte.weight`` itself where the weights are tied."""
        return self["wte.weight" if gpt_config(self.config).tie_weights else "lm_head.weight"]

    @cached_property
    def decayed(self) -> Array:
        """The part of the flat array that weight decay applies to: the matrices, not norms and biases."""
        return self.flat[: sum(view.size for view in self._views.values() if view.ndim == 2)]

    def zeros_like(self) -> Parameters:
        """Return the same shapes and dtype, all zero."""
        return Parameters(self.config, np.zeros_like(self.flat))


def parameters_from(config: ModelConfig, values: Mapping[str, Array]) -> Parameters:
    """Return Parameters that hold a copy of ``values``.

    Raises
    ------
    UserError
        If a tensor is missing, superfluous, of another shape, or not of the same floating dtype as the others.
    """
    shapes = check_values(config, values)
    dtype = values["wte.weight"].dtype
    parameters = Parameters(config, np.empty(sum(map(prod, shapes.values())), dtype))
    for name in shapes:
        parameters[name][...] = values[name]
    return parameters


def _flat_order(config: ModelConfig) -> dict[str, Shape]:
    shapes = parameter_shapes(config)
    return dict(sorted(shapes.items(), key=lambda item: -len(item[1])))  # stable: matrices, then vectors
