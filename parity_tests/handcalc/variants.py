"""The variants of a small model that the tests draw from: every kind that a pocket calculator can work out."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "bias": st.booleans(),
    "tie_weights": st.booleans(),
    "activation": st.sampled_from(["gelu_tanh", "gelu_erf", "relu"]),
    "n_layer": st.integers(0, 2),
    "n_head": st.sampled_from([1, 2, 4]),
}

WEB_VARIANTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(_FIELDS)
"""Changes to a GPT's config; two layers at most, and heads that divide a width of 4. A web page has layer norm."""

VARIANTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    _FIELDS | {"norm": st.sampled_from(["layer_norm", "rms_norm"])}
)
"""The same with either norm."""

MODELS: st.SearchStrategy[dict[str, Any]] = VARIANTS | st.just({"kind": "bigram"})
"""The same, or a bigram model."""
