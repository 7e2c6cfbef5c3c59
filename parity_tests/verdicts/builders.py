"""Builders of most cases: a layer with given inputs, or the whole model with given tokens and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.verdicts.evaluation import Case
from parity_tests.verdicts.implementations import Implementation, flat

Values = Mapping[str, Array]

SMALL: Mapping[str, Any] = {"vocab_size": 5, "block_size": 4, "n_layer": 1, "n_head": 2, "n_embd": 4}
TOKENS, TARGETS = [[1, 3, 0, 1], [2, 2, 4, 0]], [[3, 0, 1, 2], [2, 4, 0, 1]]


def layer_case(
    given: str,
    name: str,
    inputs: Mapping[str, Any],
    dout: Any = None,
    options: Sequence[Any] = (),
    show: Sequence[str] = (),
    **rest: Any,
) -> Case:
    """Return a case that calls one layer forward and backward; inputs become arrays of the dtype, ids stay integers."""

    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        arrays = {key: value if value is None else _floats_in(value, dtype) for key, value in inputs.items()}
        results = twin.layer(name, arrays, None if dout is None else np.array(dout, dtype), options)
        return {label: results[label] for label in show or results}

    return Case(given, run, **rest)


def _floats_in(value: Any, dtype: str) -> Any:
    array = np.asarray(value)
    return array if array.dtype.kind in "iu" else array.astype(dtype)


def values_of(config: GPTConfig, dtype: str, scale: float = 1.0) -> dict[str, Array]:
    """Return weights spread over (−½, ½) times ``scale``, the same on every machine; layer norms' around 1."""
    values = {}
    for place, (name, shape) in enumerate(parameter_shapes(config).items()):
        spread = (37 * np.arange(np.prod(shape)) + 11 * place) % 101 / 101 - 0.5
        is_norm_weight = len(shape) == 1 and name.endswith(".weight")
        value = spread + 1 if is_norm_weight else spread * scale
        values[name] = value.reshape(shape).astype(dtype)
    return values


def model_case(
    given: str,
    tokens: Any = TOKENS,
    targets: Any = TARGETS,
    change: Callable[[dict[str, Array]], object] | None = None,
    masks: Callable[[str], Values] | None = None,
    scale: float = 1.0,
    config: Mapping[str, Any] | None = None,
    show: Sequence[str] = ("loss", "‖gradient‖"),
    **rest: Any,
) -> Case:
    """Return a case that asks the whole model for its loss and the norm of its gradient.

    ``change`` receives the weights, in order to spoil them; ``masks`` returns dropout masks of a dtype.
    """

    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        made = GPTConfig(**{**SMALL, **(config or {})})
        values = values_of(made, dtype, scale)
        if change is not None:
            change(values)
        given_masks = None if masks is None else masks(dtype)
        loss, gradients = twin.loss_and_gradients(made, values, tokens, targets, given_masks)
        found = {"loss": loss, "‖gradient‖": np.linalg.norm(flat(gradients).astype(np.float64))}
        return {label: found[label] for label in show}

    return Case(given, run, **rest)
