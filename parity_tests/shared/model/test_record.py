"""Recorders: the search for the first array that is not finite."""

from __future__ import annotations

import numpy as np

from numpy_gpt.shared.model.record import FirstNotFinite


def test_first_not_finite_array():
    watch = FirstNotFinite({"w": np.ones(2)})
    watch.record("h.0.attn.masked", np.array([0.0, -np.inf]))
    assert watch.name_among({"w": np.ones(2)}) is None
    assert watch.name_among({"w": np.array([np.nan])}) == "the gradient of w"
    watch.record("h.0.attn.masked", np.array([np.inf]))
    watch.record("logits", np.array([np.nan]))
    assert watch.name_among({"w": np.array([np.nan])}) == "h.0.attn.masked"
    assert FirstNotFinite({"w": np.array([np.inf])}).name_among({}) == "the parameter w"
