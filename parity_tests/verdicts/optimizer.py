"""Clipping, AdamW and the training step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from parity_tests.verdicts.builders import SMALL, TARGETS, TOKENS, values_of
from parity_tests.verdicts.evaluation import DTYPES, Case, Section
from parity_tests.verdicts.implementations import Implementation, flat

INF, NAN = math.inf, math.nan
# Three parameters of one number each: two matrices, which decay, and a layer norm's weight, which does not.
_THREE = GPTConfig(vocab_size=1, block_size=1, n_layer=0, n_head=1, n_embd=1, bias=False)


def _three(numbers: Any, dtype: str) -> dict[str, Array]:
    wte, wpe, norm = numbers
    return {
        "wte.weight": np.array([[wte]], dtype),
        "wpe.weight": np.array([[wpe]], dtype),
        "ln_f.weight": np.array([norm], dtype),
    }


def _in_order(arrays: Mapping[str, Array]) -> list[float]:
    return [float(arrays[name].item()) for name in ("wte.weight", "wpe.weight", "ln_f.weight")]


def _clip(given: str, gradients: Any, max_norm: float = 1.0, **rest: Any) -> Case:
    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        norm, clipped = twin.clip(_THREE, _three(gradients, dtype), max_norm)
        return {"norm": norm, "clipped": _in_order(clipped)}

    return Case(given, run, **rest)


CLIPPING = Section(
    "Clipping",
    "A gradient of three numbers, clipped to norm 1 unless the row says otherwise.",
    (
        _clip("(3, 4, 12): norm 13", [3.0, 4.0, 12.0]),
        _clip("(0.3, 0.4, 0): norm ½, not clipped", [0.3, 0.4, 0.0]),
        _clip("zero gradient norm", [0.0] * 3),
        _clip("infinite gradient norm: (inf, 1, 2)", [INF, 1.0, 2.0]),
        _clip("infinite gradient norm: (−inf, inf, 2)", [-INF, INF, 2.0]),
        _clip("NaN: (NaN, 1, 2)", [NAN, 1.0, 2.0]),
        _clip("squares overflow: (1e200, 1, 2)", [1e200, 1.0, 2.0], dtypes=("float64",)),
        _clip(
            "squares overflow in float32: (1e30, 1, 2)",
            [1e30, 1.0, 2.0],
            dtypes=("float32",),
            reasons=("norm-in-float32",),
        ),
        _clip("subnormal: (1e-40, 0, 0)", [1e-40, 0.0, 0.0], reasons=("norm-in-float32",)),
        _clip("max_norm 0: do not clip", [3.0, 4.0, 12.0], 0.0),
        _clip("max_norm −1", [3.0, 4.0, 12.0], -1.0),
        _clip("max_norm NaN", [3.0, 4.0, 12.0], NAN),
        _clip("max_norm inf", [3.0, 4.0, 12.0], INF),
    ),
)

_CHOICE = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1}


def _adamw(given: str, gradients: Any, m: Any = (0.0,) * 3, v: Any = (0.0,) * 3, step: int = 1, **rest: Any) -> Case:
    choice = {name: rest.pop(name, default) for name, default in _CHOICE.items()}

    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        moments = (_three(m, dtype), _three(v, dtype))
        after = twin.adamw(_THREE, _three((1.0, -2.0, 3.0), dtype), _three(gradients, dtype), moments, step, **choice)
        return {"θ": _in_order(after)}

    return Case(given, run, **rest)


ADAMW = Section(
    "AdamW",
    "Parameters 1, −2 (matrices, which decay) and 3 (a layer norm's weight, which does not); learning rate 0.1, "
    "β 0.9 and 0.99, ε 1e-8, decay 0.1, both moments 0 and step 1, unless the row says otherwise.",
    (
        _adamw("gradient (1, −1, 2)", (1.0, -1.0, 2.0)),
        _adamw("zero gradient, v = 0", (0.0,) * 3),
        _adamw("v = 0 but m = 1e-3", (0.0,) * 3, m=(1e-3,) * 3),
        _adamw("v = 0, ε = 0", (0.0,) * 3, epsilon=0.0),
        _adamw("gradient whose square underflows: 1e-200", (1e-200,) * 3, dtypes=("float64",)),
        _adamw("gradient whose square underflows: 1e-30", (1e-30,) * 3, dtypes=("float32",)),
        _adamw("gradient whose square overflows: 1e200", (1e200,) * 3, dtypes=("float64",)),
        _adamw("gradient whose square overflows: 1e30", (1e30,) * 3, dtypes=("float32",)),
        _adamw("gradient +inf", (INF, 1.0, 1.0)),
        _adamw("gradient NaN", (NAN, 1.0, 1.0)),
        _adamw("learning rate 1e10", (1.0, -1.0, 2.0), learning_rate=1e10),
        _adamw("learning rate 0", (1.0, -1.0, 2.0), learning_rate=0.0),
        _adamw("step 1,000,000", (1.0, -1.0, 2.0), step=1_000_000),
        _adamw("β₂ = 0", (1.0, -1.0, 2.0), beta2=0.0),
    ),
)


def _step(
    given: str,
    change: Any = None,
    dtypes: tuple[str, ...] = DTYPES,
    reasons: tuple[str, ...] = (),
    **training: Any,
) -> Case:
    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        model = replace(GPTConfig(**SMALL), bias=False)
        recipe = Recipe(name="verdicts", dataset="none", model=model, training=TrainingConfig(dtype=dtype, **training))
        values = values_of(model, dtype)
        if change is not None:
            change(values)
        engine = twin.engine(recipe, values)
        rate = recipe.training.learning_rate
        result = engine.training_step(np.array(TOKENS), np.array(TARGETS), 0, rate)
        before, after = flat(values), flat(dict(engine.values()))
        moved = not np.array_equal(before, after, equal_nan=True)
        return {
            "loss": result.loss,
            "gradient norm": result.gradient_norm,
            "parameters": "moved" if moved else "as they were",
            "loss after the step": engine.loss(np.array(TOKENS), np.array(TARGETS)),
        }

    return Case(given, run, reasons, dtypes)


def _to(name: str, value: float) -> Any:
    return lambda values: values[name].__setitem__(0, value)


STEP = Section(
    "One training step",
    "Forward, backward, clipping and AdamW, as the trainer calls them; the trainer stops where a loss is not finite.",
    (
        _step("ordinary"),
        _step("learning rate 1e10", learning_rate=1e10),
        _step("a NaN among the weights", _to("ln_f.weight", NAN)),
        _step("an inf among the weights", _to("ln_f.weight", INF)),
        _step("infinite gradient norm, finite loss: a weight 1e200", _to("ln_f.weight", 1e200), ("float64",)),
        _step(
            "squares of the gradient overflow: a weight 1e25",
            _to("ln_f.weight", 1e25),
            ("float32",),
            ("norm-in-float32",),
        ),
        _step("learning rate −1", learning_rate=-1.0),
        _step("learning rate NaN", learning_rate=NAN),
        _step("grad_clip −1", grad_clip=-1.0),
    ),
)

SECTIONS = (CLIPPING, ADAMW, STEP)
