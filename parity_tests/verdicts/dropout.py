"""Dropout: rates, and masks of every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import dropout_shapes
from parity_tests.verdicts.builders import SMALL, model_case
from parity_tests.verdicts.evaluation import Case, Section

Masks = Callable[[str], Mapping[str, Array]]


def _rate(given: str, dropout: float) -> Case:
    return model_case(given, config={"dropout": dropout})


def _masks(fill: Callable[[tuple[int, ...]], Any], only: str = "", mask_dtype: str = "") -> Masks:
    def masks(dtype: str) -> Mapping[str, Array]:
        shapes = dropout_shapes(GPTConfig(**SMALL, dropout=0.5), 2, 4)
        return {name: fill(shape).astype(mask_dtype or dtype) for name, shape in shapes.items() if only in name}

    return masks


def _one(name: str, shape: tuple[int, ...]) -> Masks:
    return lambda dtype: {name: np.zeros(shape, dtype)}


def _every_second(shape: tuple[int, ...]) -> Array:
    return np.arange(np.prod(shape)).reshape(shape) % 2 * 2.0


def _nan(shape: tuple[int, ...]) -> Array:
    return np.full(shape, np.nan)


def _each(masks: Masks, layout: Callable[[Array], Array]) -> Masks:
    return lambda dtype: {name: layout(mask) for name, mask in masks(dtype).items()}


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _big_endian(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder(">"))


FLOAT64, FLOAT32 = ("float64",), ("float32",)

DROPOUT = Section(
    "Dropout",
    "The same model. Masks are arguments, with entries 0 (dropped) or 1/(1 − rate); training never uses a rate of 1, "
    "but a mask of all zeros can be passed.",
    (
        _rate("dropout = 0, no masks", 0.0),
        _rate("dropout = 1", 1.0),
        _rate("dropout = −0.1", -0.1),
        _rate("dropout = NaN", float("nan")),
        model_case("masks of rate 0: all 1", masks=_masks(np.ones)),
        model_case("masks of rate ½: every second entry dropped", masks=_masks(_every_second)),
        model_case("masks of rate 1: all 0", masks=_masks(np.zeros)),
        model_case("attention weights alone dropped, at rate 1", masks=_masks(np.zeros, "weights_dropout")),
        model_case("masks of NaN", masks=_masks(_nan)),
        model_case("masks, read-only", masks=_each(_masks(np.ones), _read_only)),
        model_case("masks, big-endian", masks=_each(_masks(np.ones), _big_endian), dtypes=FLOAT64),
        model_case("masks, masked, no entry hidden", masks=_each(_masks(np.ones), np.ma.masked_array)),
        model_case("masks, a list instead of a mapping", masks=lambda dtype: [1.0]),
        model_case(
            "float64 masks, float32 weights",
            masks=_masks(_every_second, mask_dtype="float64"),
            dtypes=FLOAT32,
        ),
        model_case("float32 masks, float64 weights", masks=_masks(_every_second, mask_dtype="float32"), dtypes=FLOAT64),
        model_case("a mask of an unknown name", masks=_one("h.0.attn.dropout", (2, 4, 4))),
        model_case("a mask of another shape: (2, 4, 3)", masks=_one("embedding.dropout", (2, 4, 3))),
        model_case("a mask of another shape that broadcasts: (1,)", masks=_one("embedding.dropout", (1,))),
    ),
)

SECTIONS = (DROPOUT,)
