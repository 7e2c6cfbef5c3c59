"""Interventions that are refused: unknown names, values that do not fit, gradients, and numbers that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_data.errors import UserError
from numpy_gpt import Intervention, intervene
from numpy_gpt import model as ours
from numpy_gpt.parameters import parameters_from
from parity_tests.test_interventions import CASE, CONFIG, predict_changed, returning
from torch_gpt import Intervention as TwinIntervention
from torch_gpt import model as twins
from torch_gpt.parameters import parameters_from as twin_parameters_from

WRONG_CHANGES = [
    (
        {"h.0.attn.Q": Intervention(0)},
        r"'h\.0\.attn\.Q' cannot be changed; did you mean 'h\.0\.attn\.q'\?; these can: e",
    ),
    ({"h.2.attn.q": Intervention(0)}, r"'h\.2\.attn\.q' cannot be changed.*N from 0 to 1"),
    ({"h.0.attn.masked": Intervention(0)}, r"'h\.0\.attn\.masked' cannot be changed"),
    (
        {"logits": Intervention(np.ones(6))},
        r"the scale of 'logits' must be a number, or float64 that broadcasts to \(2, 5",
    ),
    (
        {"logits": Intervention(0, np.ones((3, 1, 1, 1)))},
        r"the shift of 'logits' must be .*, not float64 \(3, 1, 1, 1\)",
    ),
    ({"logits": Intervention(0, np.ones(7, np.float32))}, r"not float32 \(7,\)"),
]


@pytest.mark.parametrize("twin", ["numpy_gpt", "torch_gpt"])
@pytest.mark.parametrize(("changes", "message"), WRONG_CHANGES)
def test_a_wrong_change_is_refused(twin, changes, message):
    with pytest.raises(UserError, match=message):
        predict_changed(twin, intervene(changes))


@pytest.mark.parametrize("twin", ["numpy_gpt", "torch_gpt"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("h.0.attn.masked", np.zeros((2, 2, 5, 5)), r"'h\.0\.attn\.masked' cannot be changed"),
        (
            "h.0.attn.q",
            np.zeros((2, 2, 5, 4)),
            r"for 'h\.0\.attn\.q' must be None or float64 \(2, 2, 5, 3\), not float64 ",
        ),
        ("h.0.attn.q", np.zeros((2, 2, 5, 3), np.float32), r"not float32 \(2, 2, 5, 3\)"),
        ("h.0.attn.q", [1.0], r"record returns for 'h\.0\.attn\.q' must be a .*, not \[1\.0\]"),
        ("h.0.attn.q", np.ma.zeros((2, 2, 5, 3)), "must not be a masked array"),
    ],
)
def test_what_a_function_returns_must_fit(twin, name, value, message):
    with pytest.raises(UserError, match=message):
        predict_changed(twin, returning(name, value))


def test_a_gradient_cannot_be_changed():
    with pytest.raises(UserError, match=r"'h\.0\.attn\.dq' cannot be changed"):
        ours.loss_and_gradients(
            parameters_from(CONFIG, CASE.parameters()),
            CASE.tokens(),
            CASE.targets(),
            record=returning("h.0.attn.dq", np.zeros((2, 2, 5, 3))),
        )
    with pytest.raises(UserError, match=r"'h\.0\.attn\.dq' cannot be changed"):
        twins.loss_and_gradients(
            twin_parameters_from(CONFIG, CASE.parameters()),
            CONFIG,
            CASE.tokens(),
            CASE.targets(),
            record=returning("h.0.attn.dq", torch.zeros((2, 2, 5, 3))),
        )


@pytest.mark.parametrize(
    "arguments", [{"scale": np.nan}, {"scale": np.array([np.inf])}, {"shift": np.array([np.nan])}, {"shift": np.inf}]
)
@pytest.mark.parametrize("kind", [Intervention, TwinIntervention])
def test_a_change_to_nan_is_refused(kind, arguments):
    with pytest.raises(UserError, match="must be finite"):
        kind(**arguments)
    if kind is TwinIntervention:
        with pytest.raises(UserError, match="must be finite"):
            kind(**{name: torch.tensor(value) for name, value in arguments.items()})


def test_a_change_inside_a_fused_operation_is_refused():
    with pytest.raises(UserError, match=r"'h\.1\.attn\.weights' is inside a fused operation here"):
        predict_changed("torch_gpt", intervene({"h.1.attn.weights": Intervention(0.5)}), fused=True)
    assert predict_changed("torch_gpt", intervene({"h.1.attn.heads": Intervention(0.5)}), fused=True).shape == (2, 5, 7)
