"""microgpt (Karpathy 2026): its model, and its parameters under its own names, in its layout.

Its file is 200 lines of Python over scalars, ported to dozens of languages. A matrix is a list of rows, stored (out,
in); queries, keys and values have a matrix each. So three of its matrices are thirds of ``c_attn.weight``, transposed.
What holds for parameters holds for their gradients, moments and new values, which have the same shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import count_of, list_names, quote, suggest
from numpy_gpt.shared.interchange.fixed_fields import require_fields
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import Shape, parameter_shapes

FIXED: dict[str, Any] = {
    **{"norm": "rms_norm", "bias": False, "tie_weights": False},
    **{"activation": "relu", "layer_norm_epsilon": 1e-5, "dropout": 0.0},
}
"""What is the same in every model of microgpt."""

_OUTSIDE = {"wte": "wte.weight", "wpe": "wpe.weight", "lm_head": "lm_head.weight"}
_INSIDE = {
    "attn_wq": ("attn.c_attn.weight", 0),
    "attn_wk": ("attn.c_attn.weight", 1),
    "attn_wv": ("attn.c_attn.weight", 2),
    "attn_wo": ("attn.c_proj.weight", None),
    "mlp_fc1": ("mlp.c_fc.weight", None),
    "mlp_fc2": ("mlp.c_proj.weight", None),
}
"""Name in a layer → the parameter of ours inside the block, and which third of its columns."""


class Matrix(NamedTuple):
    """One of microgpt's matrices: its ``name`` there, and which part of ``ours`` it is.

    ``third`` is the third of the columns of ours, None for all; ``transposed`` says that it is stored (out, in) there.
    """

    name: str
    ours: str
    third: int | None
    transposed: bool

    def of(self, array: Array) -> Array:
        """Return the matrix from ours, as a view."""
        part = array if self.third is None else np.split(array, 3, axis=1)[self.third]
        return part.T if self.transposed else part


def microgpt_config(**changes: Any) -> GPTConfig:
    """Return the config of microgpt, 4,192 parameters, with other sizes where they are given.

    Raises
    ------
    UserError
        If a size is out of range.
    """
    sizes = {"vocab_size": 27, "block_size": 16, "n_layer": 1, "n_head": 4, "n_embd": 16}
    return GPTConfig(**sizes | FIXED | changes)


def microgpt_matrices(config: GPTConfig) -> Iterator[Matrix]:
    """Yield the matrices of a model in the order of microgpt's file.

    Raises
    ------
    UserError
        If microgpt has no such model; the message names the field.
    """
    require_fields(config, FIXED, "microgpt")
    for name, ours in _OUTSIDE.items():
        yield Matrix(name, ours, None, False)
    for layer in range(config.n_layer):
        for inner, (ours, third) in _INSIDE.items():
            yield Matrix(f"layer{layer}.{inner}", f"h.{layer}.{ours}", third, True)


def is_microgpt(config: GPTConfig) -> bool:
    """Return whether microgpt has models of this config."""
    return all(getattr(config, field) == value for field, value in FIXED.items())


def matrices_of(parameter: str) -> list[Matrix]:
    """Return the matrices that are a parameter of ours, by its name: the three thirds of ``c_attn.weight``, or one.

    Empty if microgpt has no such parameter.
    """
    if outside := [Matrix(name, ours, None, False) for name, ours in _OUTSIDE.items() if ours == parameter]:
        return outside
    found = re.fullmatch(r"h\.(\d+)\.(.+)", parameter)
    inside = [(name, third) for name, (ours, third) in _INSIDE.items() if found is not None and ours == found[2]]
    return [Matrix(f"layer{found[1]}.{name}", parameter, third, True) for name, third in inside if found is not None]


def microgpt_shapes(config: GPTConfig) -> dict[str, Shape]:
    """Return the names and shapes of microgpt's matrices, in the order of its file.

    Raises
    ------
    UserError
        As ``microgpt_matrices``.
    """
    ours = {name: np.broadcast_to(np.float32(0), shape) for name, shape in parameter_shapes(config).items()}
    return {name: array.shape for name, array in to_microgpt(config, ours).items()}


def to_microgpt(config: GPTConfig, values: Mapping[str, Array]) -> dict[str, Array]:
    """Return parameters, or arrays of their names and shapes, as microgpt's matrices by its names, without copying.

    Raises
    ------
    UserError
        As ``microgpt_matrices``.
    """
    return {matrix.name: matrix.of(values[matrix.ours]) for matrix in microgpt_matrices(config)}


def from_microgpt(config: GPTConfig, matrices: Mapping[str, Array]) -> dict[str, Array]:
    """Return parameters, or arrays of their names and shapes, from microgpt's matrices by its names.

    Raises
    ------
    UserError
        As ``microgpt_matrices``, and if a matrix is missing or unknown, or has another shape.
    """
    shapes = microgpt_shapes(config)
    if missing := [name for name in shapes if name not in matrices]:
        raise UserError(f"microgpt's {quote(missing[0])} is missing; there must be {list_names(shapes)}")
    if unknown := next((name for name in matrices if name not in shapes), None):
        hint = suggest(unknown, shapes) or ";"
        raise UserError(
            f"microgpt has no matrix {quote(unknown)} with {count_of(config.n_layer, 'layer')}{hint} "
            f"there must be {list_names(shapes)}"
        )
    for name, shape in shapes.items():
        if np.shape(matrices[name]) != shape:
            raise UserError(
                f"microgpt's {name} must have shape {shape}, (out, in), as the config says, not {matrices[name].shape}"
            )
    parts: dict[str, list[Array]] = {}
    for matrix in microgpt_matrices(config):
        array = np.asarray(matrices[matrix.name])
        parts.setdefault(matrix.ours, []).append(array.T if matrix.transposed else array)
    return {name: np.concatenate(parts[name], axis=1) for name in parameter_shapes(config)}


def loud_values(config: GPTConfig, seed: int = 0, dtype: str = "float32") -> dict[str, Array]:
    """Return parameters with which a mistake shows, the same for the same seed: every matrix from N(0, 0.35²).

    At the scale of initial values attention is almost uniform, the sublayers add almost nothing, and many mistakes
    change almost no number. The numbers are float32's in either dtype.
    """
    rng = np.random.default_rng(seed)
    values = {}
    for name, shape in parameter_shapes(config).items():
        is_scale = len(shape) == 1 and name.endswith(".weight")
        values[name] = (is_scale + 0.35 * rng.standard_normal(shape)).astype(np.float32).astype(dtype)
    return values
