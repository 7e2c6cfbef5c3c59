"""Shapes and memory layouts: which of them are errors, and that the rest agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from parity_tests.verdicts.builders import TARGETS, TOKENS, model_case
from parity_tests.verdicts.evaluation import Case, Section
from parity_tests.verdicts.implementations import Implementation


def _shape(given: str, tokens: Any = TOKENS, targets: Any = TARGETS, **config: Any) -> Case:
    return model_case(given, tokens, targets, config=config)


SHAPES = Section(
    "Shapes",
    "The same model; whatever a row does not mention is as above.",
    (
        _shape("T = 1", [[3]], [[1]]),
        _shape("T = block_size = 4"),
        _shape("T = block_size + 1", [[0, 1, 2, 3, 4]], [[1, 2, 3, 4, 0]]),
        _shape("T = 0", np.zeros((2, 0), np.int64), np.zeros((2, 0), np.int64)),
        _shape("B = 0", np.zeros((0, 4), np.int64), np.zeros((0, 4), np.int64)),
        _shape("B = 1", TOKENS[:1], TARGETS[:1]),
        _shape("one axis: (T,)", [0, 1, 2], [1, 2, 3]),
        _shape("three axes: (1, B, T)", [TOKENS], [TARGETS]),
        _shape("V = 1", [[0, 0, 0]], [[0, 0, 0]], vocab_size=1),
        _shape("V = 0", vocab_size=0),
        _shape("H = 1", n_head=1),
        _shape("H = C = 4, D = 1", n_head=4),
        _shape("C % H ≠ 0: C = 10, H = 4", n_embd=10, n_head=4),
        _shape("H > C: C = 2, H = 4", n_embd=2, n_head=4),
        _shape("C = 1", n_embd=1, n_head=1),
        _shape("no layers", n_layer=0),
        _shape("n_layer = −1", n_layer=-1),
        _shape("block_size = 1", [[3], [2]], [[1], [4]], block_size=1),
        _shape(
            "prime sizes: V = 11, block_size = 7, T = 5, H = 3, D = 5, B = 3",
            [[1, 9, 3, 10, 5], [0, 2, 4, 6, 8], [7, 7, 7, 7, 7]],
            [[9, 3, 10, 5, 7], [2, 4, 6, 8, 1], [7, 7, 7, 7, 0]],
            vocab_size=11,
            block_size=7,
            n_head=3,
            n_embd=15,
        ),
        _shape("repeated ids: one token throughout", [[2, 2, 2, 2]], [[2, 2, 2, 2]]),
        _shape("no biases, untied", bias=False, tie_weights=False),
    ),
)


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


_IDS_AS: Mapping[str, Callable[[Any], Any]] = {
    "ordinary": lambda ids: ids,
    "non-contiguous: every second column of a wider array": lambda ids: np.repeat(ids, 2, axis=1)[:, ::2],
    "Fortran order": np.asfortranarray,
    "negative strides": lambda ids: ids[:, ::-1].copy()[:, ::-1],
    "big-endian": lambda ids: ids.astype(">i4"),
    "read-only": _read_only,
    "masked, no entry hidden": np.ma.masked_array,
}


def _weights(layout: Any) -> Any:
    def change(values: dict[str, Array]) -> None:
        for name, array in values.items():
            values[name] = layout(array)

    return change


def _layer(name: str, given: str, layout: Callable[[Any], Any]) -> Case:
    shapes = {"layer_norm": {"x": (2, 3, 4), "weight": (4,), "bias": (4,)}}
    shapes["attention"] = {"x": (2, 3, 4), "w": (4, 12), "b": (12,), "w_proj": (4, 4), "b_proj": (4,)}

    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        arrays = {key: layout(_spread(shape, dtype)) for key, shape in shapes[name].items()}
        dout = layout(_spread((2, 3, 4), dtype, 29))
        results = twin.layer(name, arrays, dout, (1e-5,) if name == "layer_norm" else (2,))
        return {f"‖{label}‖": np.linalg.norm(results[label].astype(np.float64)) for label in ("out", "dx")}

    return Case(f"{name.replace('_', ' ')}, all arrays {given}", run)


def _spread(shape: tuple[int, ...], dtype: str, step: int = 37) -> Array:
    return ((step * np.arange(np.prod(shape)) % 101) / 50.5 - 1).reshape(shape).astype(dtype)


def _transpose(name: str) -> Any:
    return lambda values: values.update({name: values[name].T})


def _to_float32(name: str) -> Any:
    return lambda values: values.update({name: values[name].astype(np.float32)})


_WEIGHTS_AS: Mapping[str, Callable[[Any], Any]] = {
    "Fortran order": np.asfortranarray,
    "non-contiguous": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "negative strides": lambda array: array[..., ::-1].copy()[..., ::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": _read_only,
    "float16": lambda array: array.astype(np.float16),
    "int64": lambda array: array.astype(np.int64),
    "masked, no entry hidden": np.ma.masked_array,
    "a list each": lambda array: [1.0],
}


LAYOUTS = Section(
    "Memory layouts",
    "Ids, weights and all arrays of a layer, in every memory layout that NumPy has; ‖out‖ and ‖dx‖ are norms.",
    (
        *(
            model_case(f"ids, {given}", layout(np.array(TOKENS)), layout(np.array(TARGETS)))
            for given, layout in _IDS_AS.items()
        ),
        *(
            _layer(name, given, layout)
            for name in ("layer_norm", "attention")
            for given, layout in list(_WEIGHTS_AS.items())[:4]
        ),
        *(model_case(f"weights, {given}", change=_weights(layout)) for given, layout in _WEIGHTS_AS.items()),
        model_case("weights, one float32 among float64", change=_to_float32("ln_f.weight"), dtypes=("float64",)),
        model_case("weights, one missing", change=lambda values: values.pop("ln_f.weight")),
        model_case("weights, one unknown", change=lambda values: values.update(extra=values["ln_f.weight"])),
        model_case("weights, one transposed", change=_transpose("h.0.mlp.c_fc.weight")),
    ),
)


SECTIONS = (SHAPES, LAYOUTS)
