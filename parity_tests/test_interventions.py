"""Interventions: both twins compute the same with changed activations, and their gradients are derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpt_data.errors import UserError
from numpy_gpt import BigramConfig, GPTConfig, Intervention, check_gradients, intervene, keep_in
from numpy_gpt import model as ours
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.names import activation_shapes, changeable_names, gradient_name
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.strategies import Case, cases, rounded_like_float32
from parity_tests.tolerances.model import bigram, gpt
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations
from torch_gpt import Intervention as TwinIntervention
from torch_gpt import keep_in as keep_tensors_in
from torch_gpt import model as twins
from torch_gpt.parameters import parameters_from as twin_parameters_from

CONFIG = GPTConfig(vocab_size=7, block_size=5, n_layer=2, n_head=2, n_embd=6, dropout=0.5)
CASE = Case(CONFIG, 2, 5, 1, 0.5)
ONE_LAYER = replace(CASE, config=replace(CONFIG, n_layer=1))
RMS_NORM = replace(ONE_LAYER, config=replace(ONE_LAYER.config, norm="rms_norm"))
BIGRAM = Case(BigramConfig(vocab_size=7, block_size=5), 2, 5, 1, 0.5)
INSIDE_FUSED = ("attn.scores", "attn.weights")


def _changes(case: Case, kinds: Mapping[str, tuple[str, str]], dtype: str = "float64") -> dict[str, Intervention]:
    """Return the changes for the kinds of scale and shift that are drawn for each name."""
    shapes = activation_shapes(case.config, case.batch, case.time)
    return {
        name: Intervention(*(_constant(case, f"{part} {name}", kind, shapes[name], dtype) for part, kind in each))
        for name, each in ((name, zip(("scale", "shift"), pair, strict=True)) for name, pair in kinds.items())
    }


def _constant(case: Case, purpose: str, kind: str, shape: tuple[int, ...], dtype: str) -> Any:
    rng = case.rng(purpose)
    if kind in ("0", "1"):
        return float(kind)
    if kind == "number":
        return float(rng.choice([-0.75, 0.5, 1.5]))
    kept = rng.random(len(shape)) < 0.5  # the axes along which the array is not broadcast
    array = rng.normal(size=[size if keep else 1 for size, keep in zip(shape, kept, strict=True)])
    return rounded_like_float32(array * (rng.random(array.shape) < 0.8) if array.size > 1 else array, dtype)


_KINDS = st.sampled_from(("0", "1", "number", "array"))


@st.composite
def _changed_cases(draw: Any) -> tuple[Case, dict[str, tuple[str, str]]]:
    case = draw(cases(layers=(1, 2)))
    names = draw(st.sets(st.sampled_from(changeable_names(case.config)), min_size=1, max_size=6))
    return case, {name: (draw(_KINDS), draw(_KINDS)) for name in sorted(names)}


def _statement(case: Case, changes: Mapping[str, Intervention]) -> Any:
    """Return the computation with these changes, for the tolerance of every array."""

    def run(tape: Any) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        constants = {name: [tape.exact(part) for part in (one.scale, one.shift)] for name, one in changes.items()}
        scales = {gradient_name(name): scale for name, (scale, _) in constants.items()}

        def record(name: str, value: Any) -> Any:
            if name in constants:
                scale, shift = constants[name]
                value = tape.add(tape.multiply(value, scale), shift)
            kept[name] = value
            return tape.multiply(value, scales[name]) if name in scales else value

        parameters = {name: tape.exact(value) for name, value in case.parameters().items()}
        masks = {name: tape.exact(mask) for name, mask in case.masks("float32").items()}
        if isinstance(case.config, BigramConfig):
            return kept | bigram(tape, parameters, case.tokens(), case.targets(), record)[1]
        return kept | gpt(tape, parameters, case.config, case.tokens(), case.targets(), masks, record)

    return run


def _masks(case: Case, dtype: str) -> dict[str, Any]:
    return {name: mask.astype(dtype) for name, mask in case.masks("float32").items()}


def _arrays_of_numpy_gpt(case: Case, changes: Any, dtype: str = "float64") -> dict[str, Any]:
    kept: dict[str, Any] = {}
    parameters, record = parameters_from(case.config, case.parameters(dtype)), intervene(changes, keep_in(kept))
    _, gradients = ours.loss_and_gradients(parameters, case.tokens(), case.targets(), _masks(case, dtype), record)
    return {**kept, **gradients}


def _arrays_of_torch_gpt(case: Case, changes: Any, dtype: str = "float64", fused: bool = False) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    parameters = twin_parameters_from(case.config, case.parameters(dtype))
    record = intervene(changes, keep_tensors_in(kept))
    _, gradients = twins.loss_and_gradients(
        parameters, case.config, case.tokens(), case.targets(), _masks(case, dtype), record, fused
    )
    return {**kept, **{name: gradient.numpy() for name, gradient in gradients.items()}}


def _is_near_a_kink(case: Case, kinds: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether an input of ReLU is within rounding of 0, where either slope is right."""
    arrays = _arrays_of_numpy_gpt(case, _changes(case, kinds))
    hidden = [np.abs(value).min() for name, value in arrays.items() if name.endswith("mlp.hidden")]
    return case.config.activation == "relu" and min(hidden) < 1e-3


def _assert_twins_agree(case: Case, kinds: Mapping[str, tuple[str, str]]) -> None:
    tolerances = deviations(_statement(case, _changes(case, kinds)))
    for dtype in ("float64", "float32"):
        changes = _changes(case, kinds, dtype)
        computed = {"numpy_gpt": _arrays_of_numpy_gpt(case, changes, dtype)}
        computed["explicit"] = _arrays_of_torch_gpt(case, changes, dtype)
        if not any(name.endswith(INSIDE_FUSED) for name in changes):
            computed["fused"] = _arrays_of_torch_gpt(case, changes, dtype, fused=True)
        assert {"logits", "dlogits", "loss", *case.parameters()} <= computed["numpy_gpt"].keys() & tolerances.keys()
        for (one, here), (other, there) in combinations(computed.items(), 2):
            for name in here.keys() & there.keys() & tolerances.keys():
                if "softmax" not in name:  # of two scores within rounding, either may be subtracted
                    allowed = between_two_statistical(tolerances[name], dtype)
                    assert_close(f"{name} (changed, {one}, {other})", there[name], here[name], allowed)


@settings(max_examples=settings().max_examples // 3)
@given(_changed_cases())
def test_the_twins_agree_on_changed_activations(drawn):
    case, kinds = drawn
    assume(case.config.n_embd > 2 and not _is_near_a_kink(case, kinds))  # as in test_whole_model
    _assert_twins_agree(case, kinds)


@pytest.mark.parametrize("case", [BIGRAM, ONE_LAYER, RMS_NORM], ids=["bigram", "GPT", "RMSNorm"])
def test_the_twins_agree_when_everything_is_changed(case):
    _assert_twins_agree(case, dict.fromkeys(changeable_names(case.config), ("array", "array")))


@pytest.mark.parametrize("name", ["all", *changeable_names(ONE_LAYER.config)])
def test_gradients_with_a_change_are_differences(name):
    names = changeable_names(ONE_LAYER.config) if name == "all" else [name]
    changes = _changes(ONE_LAYER, dict.fromkeys(names, ("array", "array")))
    _assert_gradients_are_differences(ONE_LAYER, changes)


@pytest.mark.parametrize("name", ["embedding.norm.out", "h.0.ln_1.out"])
def test_gradients_with_a_change_after_rms_norm_are_differences(name):
    _assert_gradients_are_differences(RMS_NORM, _changes(RMS_NORM, {name: ("array", "array")}))


def test_gradients_of_a_changed_bigram_model_are_differences():
    _assert_gradients_are_differences(BIGRAM, _changes(BIGRAM, {"logits": ("array", "array")}))


def _assert_gradients_are_differences(case: Case, changes: Mapping[str, Intervention]) -> None:
    parameters, masks = parameters_from(case.config, case.parameters()), case.masks()
    cotangent = case.normal("cotangent", (case.batch, case.time, case.config.vocab_size))

    def logits(inputs: Any) -> Any:
        given = parameters_from(case.config, inputs)
        return ours.model_forward(given, case.tokens(), masks, intervene(changes))[0]

    _, cache = ours.model_forward(parameters, case.tokens(), masks, intervene(changes))
    gradients = ours.model_backward(cotangent, cache)  # it knows the changes by the cache
    checked = {name: gradient.copy() for name, gradient in gradients.items()}
    if "h.0.attn.c_attn.bias" in checked and not {"h.0.attn.k", "h.0.attn.scores"} & changes.keys():
        checked["h.0.attn.c_attn.bias"][6:12] = 0  # the key bias has none (8.18), but for rounding
    check_gradients(logits, dict(parameters), checked, cotangent, directions=1)


@pytest.mark.parametrize("name", changeable_names(CONFIG))
def test_a_change_of_nothing_leaves_every_bit(name):
    ones = np.ones(activation_shapes(CONFIG, 2, 5)[name])
    for change in (Intervention(), Intervention(ones, 0 * ones)):
        for arrays_of in (_arrays_of_numpy_gpt, _arrays_of_torch_gpt):
            plain, changed = arrays_of(CASE, {}), arrays_of(CASE, {name: change})
            assert {key: value.tobytes() for key, value in plain.items()} == {
                key: value.tobytes() for key, value in changed.items()
            }


@pytest.mark.parametrize("arrays_of", [_arrays_of_numpy_gpt, _arrays_of_torch_gpt])
def test_a_head_set_to_zero_is_a_head_whose_output_weights_are_zero(arrays_of):
    without = Intervention(np.array([1.0, 0.0]).reshape(2, 1, 1))
    changed = arrays_of(CASE, {"h.1.attn.heads": without})
    values = CASE.parameters()
    values["h.1.attn.c_proj.weight"][3:] = 0

    class Zeroed(Case):
        def parameters(self, dtype: str = "float64") -> Any:
            return values

    expected = arrays_of(Zeroed(*vars(CASE).values()), {})
    assert_identical("logits", changed["logits"], expected["logits"])
    differing = {"h.1.attn.heads", "h.1.attn.merged", "h.1.attn.dheads", "h.1.attn.dmerged", "h.1.attn.c_proj.weight"}
    for name in expected.keys() - differing:
        assert_identical(name, changed[name], expected[name])
    assert not changed["h.1.attn.heads"][:, 1].any()
    assert not changed["h.1.attn.c_proj.weight"][3:].any()
    assert changed["h.1.attn.dheads"][:, 1].any(), "heard before the scale: the gradient by the changed value"


def test_a_score_of_minus_infinity_removes_an_edge():
    edge = np.zeros((1, 2, 5, 5))
    edge[0, 1, 3, 2] = -np.inf
    for arrays_of in (_arrays_of_numpy_gpt, _arrays_of_torch_gpt):
        found = arrays_of(CASE, {"h.0.attn.scores": Intervention(shift=edge)})
        assert not found["h.0.attn.weights"][:, 1, 3, 2].any()
        assert found["h.0.attn.weights"][:, 0, 3, 2].all()
        assert all(np.isfinite(found[name]).all() for name in CASE.parameters())


def test_scores_of_minus_infinity_leave_a_window():
    far = np.tri(5, k=-2, dtype=bool)
    window = Intervention(shift=np.where(far, -np.inf, 0.0))
    changes = {f"h.{layer}.attn.scores": window for layer in range(2)}
    found, theirs = (arrays_of(CASE, changes) for arrays_of in (_arrays_of_numpy_gpt, _arrays_of_torch_gpt))
    for layer in range(2):
        weights = found[f"h.{layer}.attn.weights"]
        assert not weights[..., far].any() and not theirs[f"h.{layer}.attn.weights"][..., far].any()
        assert weights[..., np.tri(5, dtype=bool) & ~far].all()
    for name in CASE.parameters():
        assert_close(f"{name} (with a window, twins)", theirs[name], found[name], 1e-12)


def _swap(name: str, array: Any) -> Any:
    return array[:, [1, 0]] if name == "h.0.attn.weights" else None


def test_a_function_may_change_an_activation_forward():
    tokens, values = CASE.tokens(), CASE.parameters()
    parameters, twin = parameters_from(CONFIG, values), twin_parameters_from(CONFIG, values)
    plain = ours.predict(parameters, tokens)
    by_name: dict[str, Any] = {}
    ours.predict(parameters, tokens, keep_in(by_name))
    swapped = by_name["h.0.attn.weights"][:, [1, 0]]
    changed = ours.predict(parameters, tokens, _swap)
    patched = ours.predict(parameters, tokens, intervene({"h.0.attn.weights": Intervention(0, swapped)}))
    assert_identical("probabilities (by a function)", changed, patched)
    assert np.abs(changed - plain).max() > 1e-3
    theirs = twins.predict(twin, CONFIG, tokens, _swap).numpy()
    assert_close("probabilities (by a function, twins)", theirs, changed, 1e-12)


def test_a_function_of_tensors_has_gradients_by_autograd():
    values, tokens = CASE.parameters(), CASE.tokens()
    double = twin_parameters_from(CONFIG, values)
    changed = lambda name, tensor: 2 * tensor if name == "h.0.mlp.out" else None  # noqa: E731
    loss = twins.loss_of(double, CONFIG, tokens, CASE.targets(), None, changed)
    found = torch.autograd.grad(loss, list(double.values()))
    case = replace(CASE, config=replace(CONFIG, dropout=0.0))
    expected = _arrays_of_torch_gpt(case, {"h.0.mlp.out": Intervention(2)})
    for name, gradient in zip(double, found, strict=True):
        assert_identical(name, gradient.numpy(), expected[name])


def test_a_steering_vector_has_a_gradient():
    vector = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    parameters, tokens = twin_parameters_from(CONFIG, CASE.parameters()), CASE.tokens()
    record = intervene({"h.0.mlp.residual": TwinIntervention(shift=vector)})
    loss = twins.loss_of(parameters, CONFIG, tokens, CASE.targets(), None, record)
    (found,) = torch.autograd.grad(loss, [vector])
    case = replace(CASE, config=replace(CONFIG, dropout=0.0))
    expected = _arrays_of_numpy_gpt(case, {})["h.0.mlp.dresidual"].sum((0, 1))
    assert_close("gradient of a steering vector", found.numpy(), expected, 1e-12)


@pytest.mark.parametrize("twin", ["numpy_gpt", "torch_gpt"])
def test_a_change_without_a_known_derivative_has_no_gradient(twin):
    tokens, values = CASE.tokens(), CASE.parameters()
    with pytest.raises(UserError, match=r"'h\.0\.attn\.dweights' is unknown, because a function made the change"):
        if twin == "numpy_gpt":
            ours.loss_and_gradients(parameters_from(CONFIG, values), tokens, tokens, record=_swap)
        else:
            twins.loss_and_gradients(twin_parameters_from(CONFIG, values), CONFIG, tokens, tokens, record=_swap)
    logits, cache = ours.model_forward(parameters_from(CONFIG, values), tokens, record=_swap)
    with pytest.raises(UserError, match="use intervene"):
        ours.model_backward(np.ones_like(logits), cache)


def predict_changed(twin: str, record: Any, fused: bool = False) -> Any:
    if twin == "numpy_gpt":
        return ours.predict(parameters_from(CONFIG, CASE.parameters()), CASE.tokens(), record)
    parameters = twin_parameters_from(CONFIG, CASE.parameters())
    return twins.predict(parameters, CONFIG, CASE.tokens(), record, fused).numpy()


def returning(wanted: str, value: Any) -> Any:
    return lambda name, array: value if name == wanted else None


def test_a_change_in_place_is_an_error():
    def write(name: str, array: Any) -> None:
        array[...] = 0

    with pytest.raises(ValueError, match="read-only"):
        predict_changed("numpy_gpt", write)


def test_interventions_combine():
    one, other = {"h.0.attn.q": Intervention(0)}, {"h.0.mlp.out": Intervention(0)}
    for twin in ("numpy_gpt", "torch_gpt"):
        together = predict_changed(twin, intervene(one | other))
        assert_identical(f"probabilities ({twin})", predict_changed(twin, intervene(one, intervene(other))), together)
        with pytest.raises(UserError, match="give what intervene returns as record itself"):
            predict_changed(twin, partial(lambda record, name, array: record(name, array), intervene(one)))
    with pytest.raises(UserError, match=r"'h\.0\.attn\.q' is changed twice"):
        intervene(one, intervene(one))
    with pytest.raises(UserError, match=r"changes must be Interventions by name, not 0 for 'logits'"):
        intervene({"logits": 0})


@pytest.mark.parametrize("twin", ["numpy_gpt", "torch_gpt"])
@pytest.mark.parametrize("name", changeable_names(CONFIG))
def test_what_a_function_returns_remains_the_users(twin, name):
    patch = CASE.normal("patch", activation_shapes(CONFIG, 2, 5)[name])
    before = patch.tobytes()
    found = predict_changed(twin, returning(name, patch))
    assert patch.tobytes() == before
    patch.flags.writeable = False
    assert_identical(f"probabilities (read-only, {twin})", predict_changed(twin, returning(name, patch)), found)
