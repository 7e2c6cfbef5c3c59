"""The edges of arithmetic as weights of the whole model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.verdicts.builders import SMALL, model_case, values_of
from parity_tests.verdicts.evaluation import Case, Section
from parity_tests.verdicts.implementations import Implementation

_UNTIED: Mapping[str, Any] = {"tie_weights": False}


def _set(name: str, index: Any, value: float) -> Any:
    return lambda values: values[name].__setitem__(index, value)


def _fill(value: float) -> Any:
    def change(values: dict[str, Array]) -> None:
        for array in values.values():
            array[...] = value

    return change


def _scale(factor: float, *parts: str) -> Any:
    def change(values: dict[str, Array]) -> None:
        for name, array in values.items():
            if array.ndim == 2 and any(part in name for part in parts):
                array *= array.dtype.type(factor)

    return change


def _nan_in_the_last_token(twin: Implementation, dtype: str) -> Mapping[str, Any]:
    config = GPTConfig(**SMALL, **_UNTIED)
    values = values_of(config, dtype)
    values["wte.weight"][4] = math.nan
    clean = np.isfinite(twin.logits(config, values, [[0, 1, 2, 4]], None)).all(axis=(0, 2))
    return {"positions whose logits are numbers": ", ".join(map(str, np.flatnonzero(clean))) or "none"}


NUMBERS = Section(
    "Whole model: numbers",
    "V = 5, block_size = 4, one layer, two heads, C = 4, tanh GELU, two sequences of four tokens; weights spread over "
    "(−½, ½). `loss` is in nats per token, ‖gradient‖ is the norm over all parameters. Where every weight of attention "
    "is 1e19, the gradient of the scores is rounding noise times 1e38: only the loss is a verdict.",
    (
        model_case("ordinary weights"),
        model_case("all parameters 0", change=_fill(0.0)),
        model_case("all parameters −0", change=_fill(-0.0)),
        model_case("all parameters equal, ½", change=_fill(0.5)),
        model_case("weights 1e19 everywhere", change=_scale(1e19, ""), show=["loss"], reasons=("variance-overflow",)),
        model_case("weights 1e19 in the embeddings and the output head", change=_scale(1e19, "wte", "wpe")),
        model_case(
            "weights 1e19 in the feed-forward network",
            change=_scale(1e19, "mlp"),
            reasons=("variance-overflow",),
        ),
        model_case("weights 1e-310, subnormal", scale=1e-310, dtypes=("float64",)),
        model_case("weights 1e-40, subnormal", scale=1e-40, dtypes=("float32",)),
        model_case("a NaN in wte", change=_set("wte.weight", (1, 0), math.nan)),
        model_case(
            "a NaN in the embedding of a token that does not occur, untied",
            [[1, 3, 0, 1]],
            [[3, 0, 1, 2]],
            change=_set("wte.weight", (2, 0), math.nan),
            config=_UNTIED,
        ),
        model_case("+inf in c_fc", change=_set("h.0.mlp.c_fc.weight", (0, 0), math.inf)),
        model_case("−inf in the weight of ln_f", change=_set("ln_f.weight", 0, -math.inf)),
        Case("NaN in the embedding of the last token: is the past clean?", _nan_in_the_last_token),
    ),
)

SECTIONS = (NUMBERS,)
