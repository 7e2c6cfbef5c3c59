"""Ablation against doing it by hand, on the weights; in both programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.ablation import Part, ablate, measure_baseline, measure_rise, parts_of
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.engine import EvaluationLimit
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.strategies import Case
from torch_gpt.engine import TorchEngine

CONFIG = GPTConfig(vocab_size=7, block_size=5, n_layer=2, n_head=2, n_embd=6)
RECIPE = Recipe(name="x", dataset="none", model=CONFIG, training=TrainingConfig(dtype="float64"))
VALUES = Case(CONFIG, 1, 1, 3, 0.7).parameters()
WINDOWS = np.random.default_rng(0).integers(0, 7, (9, 6))
ENGINES = [NumpyEngine, TorchEngine]
EXACT = 1e-12  # a few roundings of float64 numbers near 1


def _losses(engine_type: Any, values: Any) -> np.ndarray:
    probabilities = engine_type(RECIPE, values).predict(WINDOWS[:, :-1])
    return -np.log(np.take_along_axis(probabilities, WINDOWS[:, 1:, None], -1)[..., 0])


def _without_by_hand(part: Part, replacement: str) -> dict[str, np.ndarray]:
    """Return weights in which the part's own are zero, and its mean, if it is kept, is in the bias."""
    kept: dict[str, Any] = {}
    NumpyEngine(RECIPE, VALUES).predict(WINDOWS[:, :-1], keep_in(kept))
    values = {name: value.copy() for name, value in VALUES.items()}
    name = f"h.{part.layer}.{'mlp' if part.kind == 'mlp' else 'attn'}.c_proj"
    weight, bias = values[f"{name}.weight"], values[f"{name}.bias"]
    mean = kept[part.activation].mean(axis=(0, -2))
    if part.head is None:
        weight[...], bias[...] = 0, mean if replacement == "mean" else 0
    else:
        rows = slice(3 * part.head, 3 * part.head + 3)
        if replacement == "mean":
            bias += mean[part.head] @ weight[rows]
        weight[rows] = 0
    return values


@pytest.mark.parametrize("engine_type", ENGINES)
@pytest.mark.parametrize("replacement", ["zero", "mean"])
def test_every_part_replaced_as_by_hand(engine_type, replacement):
    found = ablate(engine_type(RECIPE, VALUES), WINDOWS, replacement=replacement)
    before = _losses(engine_type, VALUES)
    assert_close("losses of tokens", found.losses, before, EXACT)
    assert list(found.rises) == list(parts_of(CONFIG))
    for part, rises in found.rises.items():
        expected = _losses(engine_type, _without_by_hand(part, replacement)) - before
        assert_close(f"rise of the loss ({part.title}, {replacement})", rises, expected, EXACT)
        assert np.abs(rises).max() > 1e-3


def test_the_parts_of_a_model():
    assert [part.title for part in parts_of(replace(CONFIG, n_layer=1))] == [
        "layer 0, head 0",
        "layer 0, head 1",
        "layer 0, attention",
        "layer 0, MLP",
    ]
    assert parts_of(CONFIG)[5] == Part("head", 1, 1)


@pytest.mark.parametrize("engine_type", ENGINES)
def test_any_batch_size_finds_the_same(engine_type):
    engine, chosen = engine_type(RECIPE, VALUES), [Part("head", 0, 1), Part("mlp", 1)]
    whole = ablate(engine, WINDOWS, chosen)
    sizes: list[int] = []
    predict = engine.predict

    def counting(tokens: Any, record: Any) -> Any:
        sizes.append(len(tokens))
        return predict(tokens, record)

    engine.predict, engine.evaluation_limit = counting, EvaluationLimit(22, 1e11)
    parts = ablate(engine, WINDOWS, chosen)
    assert set(sizes) == {4, 1}  # 22 tokens are four windows of 5; the last batch is the ninth
    for part in chosen:
        assert_close(f"rise of the loss ({part.title}, in batches)", parts.rises[part], whole.rises[part], EXACT)


def test_what_fills_up_a_window_does_not_count():
    engine = NumpyEngine(RECIPE, VALUES)
    counted = np.arange(5) < np.arange(9)[:, None] % 5 + 1
    other = WINDOWS.copy()
    other[:, 1:][~counted] = 0
    one, two = (ablate(engine, windows, [Part("head", 0, 0)], counted=counted) for windows in (WINDOWS, other))
    inside = counted & np.roll(counted, -1, axis=1)  # the target of the last input that counts differs
    inside[:, -1] = False
    for first, second in ((one.losses, two.losses), *zip(one.rises.values(), two.rises.values(), strict=True)):
        assert_close("losses of tokens that count", first[inside], second[inside], EXACT)
    everything = ablate(engine, WINDOWS, [Part("head", 0, 0)])
    assert np.abs(everything.rises[Part("head", 0, 0)] - one.rises[Part("head", 0, 0)]).max() > 1e-3


def test_a_single_precision_model_is_measured_in_double_precision():
    recipe = replace(RECIPE, training=TrainingConfig(dtype="float32"))
    values = {name: value.astype(np.float32) for name, value in VALUES.items()}
    found = measure_baseline(NumpyEngine(recipe, values), WINDOWS)
    assert found.losses.dtype == np.float64
    assert {mean.dtype for mean in found.means.values()} == {np.dtype(np.float32)}
    assert_close("losses of tokens (float32)", found.losses, _losses(NumpyEngine, VALUES), 1e-4)


def test_the_mean_of_a_constant_part_changes_nothing():
    values = {name: value.copy() for name, value in VALUES.items()}
    values["h.1.mlp.c_proj.weight"][...] = 0
    found = ablate(NumpyEngine(RECIPE, values), WINDOWS, [Part("mlp", 1)])
    assert_close("rise of the loss", found.rises[Part("mlp", 1)], np.zeros((9, 5)), EXACT)


def test_a_loss_that_no_probability_can_tell_is_finite():
    values = {name: value.copy() for name, value in VALUES.items()}
    values["ln_f.weight"] *= 1e4
    found = measure_baseline(NumpyEngine(RECIPE, values), WINDOWS)
    assert found.losses.max() > 1000
    assert np.isfinite(found.losses).all()


def test_wrong_arguments_are_refused():
    engine = NumpyEngine(RECIPE, VALUES)
    before = measure_baseline(engine, WINDOWS)
    bigram = BigramConfig(vocab_size=7, block_size=5)
    baseline = NumpyEngine(replace(RECIPE, model=bigram), initial_values(bigram, 0, "float64"))
    for call, message in [
        (lambda: measure_baseline(baseline, WINDOWS), "a bigram model, which has no layers"),
        (lambda: parts_of(bigram), "a bigram model, which has no layers"),
        (lambda: measure_rise(engine, before, Part("head", 0, 2)), r"there is no part .* in a model of 2 × 2 heads"),
        (lambda: measure_rise(engine, before, Part("head", 0)), "there is no part"),
        (lambda: measure_rise(engine, before, Part("mlp", 0), "nothing"), "replacement must be zero or mean, not 'not"),
        (lambda: measure_baseline(engine, WINDOWS.tolist()), "windows must be a NumPy array"),
        (lambda: measure_baseline(engine, WINDOWS[:, :1]), r"must have shape \(N, T \+ 1\), .*, not \(9, 1\)"),
        (lambda: measure_baseline(engine, WINDOWS + 1), r"must lie in \[0, 7\)"),
        (
            lambda: measure_baseline(
                engine, np.where(np.arange(WINDOWS.shape[1]) == WINDOWS.shape[1] - 1, -1, WINDOWS)
            ),
            "is -1",
        ),
        (lambda: measure_baseline(engine, np.zeros((1, 7), int)), "6 tokens do not fit into block_size=5"),
        (lambda: measure_baseline(engine, WINDOWS, np.zeros((9, 5), bool)), "counted must select some of the inputs"),
        (lambda: measure_baseline(engine, WINDOWS, np.ones((9, 6), bool)), r"as bool \(9, 5\)"),
    ]:
        with pytest.raises(UserError, match=message):
            call()


def test_the_baseline_is_the_model():
    before = measure_baseline(NumpyEngine(RECIPE, VALUES), WINDOWS)
    kept: dict[str, Any] = {}
    NumpyEngine(RECIPE, VALUES).predict(WINDOWS[:, :-1], keep_in(kept))
    assert_identical("inputs", before.inputs, WINDOWS[:, :-1])
    assert_identical("targets", before.targets, WINDOWS[:, 1:])
    assert before.means.keys() == {
        f"h.{layer}.{name}" for layer in (0, 1) for name in ("attn.heads", "attn.out", "mlp.out")
    }
    for name, mean in before.means.items():
        axes = (0, 2) if name.endswith("heads") else (0, 1)
        expected = kept[name].mean(axis=axes, keepdims=True)[0]
        assert_close(f"mean of {name}", mean, expected if name.endswith("heads") else expected[0], EXACT)
