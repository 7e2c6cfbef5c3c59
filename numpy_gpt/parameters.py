"""All parameters of a model in one flat array, with a named view for each tensor.

The optimizer and clipping use the flat array, layers and checkpoints use the tensors, and nothing is copied. Matrices
come first in the flat array, so that the parameters with weight decay are one slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.array_checks import check_array, check_values
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.config_checks import check_config, require_gpt
from numpy_gpt.shared.model.names import Shape, parameter_shapes

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_PART = 1 << 16  # numbers, 256 KiB in float32: an optimizer uses four such arrays and some temporaries at once


class _Layout(NamedTuple):
    """The names in order of computation, each tensor's place in the flat array, and the array's ``size``.

    The first ``matrices`` entries belong to matrices.
    """

    names: tuple[str, ...]
    places: Mapping[str, tuple[slice, Shape]]
    size: int
    matrices: int


class Parameters(Mapping[str, Array]):
    """A mapping from GPT-2's names to views of one flat array; gradients and moments have the same layout.

    A deep copy (``copy.deepcopy``, ``pickle``) has its own numbers; a shallow one (``copy.copy``) shares them. Two
    Parameters are equal only if they are the same object; compare ``flat`` to compare numbers.

    Raises
    ------
    UserError
        If ``config`` is not a model's, or ``flat`` is not a contiguous array of as many float32 or float64 numbers as
        the model has parameters.
    """

    def __init__(self, config: ModelConfig, flat: Array) -> None:
        self.config = config
        self.flat = flat
        self._layout = _layout(check_config(config))
        size = self._layout.size
        check_array("the flat array", flat)
        if flat.shape != (size,):
            raise UserError(f"this model has {size:,} parameters, but the flat array has shape {flat.shape}")
        if flat.dtype not in _DTYPES:
            raise UserError(f"the flat array must be float32 or float64 in this machine's byte order, not {flat.dtype}")
        if not flat.flags.c_contiguous:  # its tensors would be copies, not views
            raise UserError("the flat array must be contiguous; pass a copy")

    __eq__ = object.__eq__  # Mapping's own would ask each array for its truth value
    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[type[Parameters], tuple[ModelConfig, Array]]:
        return Parameters, (self.config, self.flat)  # a copy makes views of its own flat array

    @cached_property
    def views(self) -> dict[str, Array]:
        """The tensors by name, as one dictionary."""
        # Created on first use: a step's gradients are often used only as a flat array.
        return {name: self.flat[place].reshape(shape) for name, (place, shape) in self._layout.places.items()}

    def __getitem__(self, name: str) -> Array:
        return self.views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.names)

    def __len__(self) -> int:
        return len(self._layout.names)

    @cached_property
    def blocks(self) -> list[dict[str, Array]]:
        """The tensors of each block of a GPT by their names inside it, such as ``attn.c_attn.weight``."""
        return [{inner: self[name] for inner, name in names.items()} for names in self.block_names]

    @cached_property
    def block_names(self) -> list[dict[str, str]]:
        """The full names of the tensors of each block, by their names inside the block."""
        blocks: list[dict[str, str]] = [{} for _ in range(require_gpt(self.config).n_layer)]
        for name in self:
            if name.startswith("h."):
                _, layer, inner = name.split(".", 2)
                blocks[int(layer)][inner] = name
        return blocks

    @cached_property
    def head(self) -> Array:
        """The output head (V, C) of a GPT: ``wte.weight`` itself if the weights are tied."""
        return self["wte.weight" if require_gpt(self.config).tie_weights else "lm_head.weight"]

    @cached_property
    def decayed(self) -> Array:
        """The part of the flat array that weight decay applies to: the matrices, not norms and biases."""
        return self.flat[: self._layout.matrices]

    def zeros_like(self) -> Parameters:
        """Return Parameters of the same shapes and dtype, all zeros."""
        # Unlike zeros_like, zeros writes nothing: the moments of a model that only samples take no memory.
        return Parameters(self.config, np.zeros(self.flat.shape, self.flat.dtype))

    def copy_from(self, tensors: Mapping[str, Array] | Array) -> Parameters:
        """Copy tensors with the same names and shapes, or another flat array, into this one; return self."""
        if isinstance(tensors, np.ndarray):
            np.copyto(self.flat, tensors)
        else:
            np.concatenate([tensors[name] for name in self._layout.places], axis=None, out=self.flat)
        return self

    def add(self, tensors: Mapping[str, Array] | Array) -> None:
        """Add tensors with the same names and shapes, or another flat array, in place."""
        if isinstance(tensors, np.ndarray):
            self.flat += tensors
            return
        for name, tensor in tensors.items():
            self[name][...] += tensor

    def empty_like(self) -> Parameters:
        """Return Parameters of the same shapes and dtype, uninitialised."""
        return Parameters(self.config, np.empty_like(self.flat))


def in_chunks(*flats: Array, part: int = _PART) -> Iterator[tuple[Array, ...]]:
    """Yield views of flat arrays of equal length, chunk by chunk: a chunk stays in the CPU's cache while in use."""
    size = len(flats[0])
    if size <= part:
        yield flats
        return
    for first in range(0, size, part):
        yield tuple(flat[first : first + part] for flat in flats)


def parameters_from(config: ModelConfig, values: Mapping[str, Array]) -> Parameters:
    """Return Parameters with a copy of ``values``.

    Raises
    ------
    UserError
        If a tensor is missing or unknown, is not a NumPy array, has the wrong shape, or has a different floating dtype
        from the others.
    """
    shapes = check_values(config, values)
    dtype = values["wte.weight"].dtype
    parameters = Parameters(config, np.empty(sum(map(prod, shapes.values())), dtype))
    for name in shapes:
        parameters[name][...] = values[name]
    return parameters


def check_parameters(parameters: Any) -> Parameters:
    """Return the parameters themselves.

    Raises
    ------
    UserError
        If they are not Parameters: a dictionary has no config.
    """
    if isinstance(parameters, Parameters):
        return parameters
    raise UserError(f"parameters must come from numpy_gpt.parameters_from, not {describe(parameters)}")


@lru_cache(maxsize=16)
def _layout(config: ModelConfig) -> _Layout:
    shapes = parameter_shapes(config)
    places, first = {}, 0
    for name, shape in sorted(shapes.items(), key=lambda item: -len(item[1])):  # stable: matrices, then vectors
        places[name] = slice(first, first + prod(shape)), shape
        first += prod(shape)
    return _Layout(tuple(shapes), places, first, sum(prod(shape) for shape in shapes.values() if len(shape) == 2))
