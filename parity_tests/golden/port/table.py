"""What the port's tensors are called in the project, and how their axes are rearranged: the port's only such place."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import gradient_name

_PARAMETERS = {
    "wte": "wte.weight",
    "wpe": "wpe.weight",
    "lnfw": "ln_f.weight",
    "lnfb": "ln_f.bias",
    "head": "lm_head.weight",
    "l_ln1w": "ln_1.weight",
    "l_ln1b": "ln_1.bias",
    "l_qkvw": "attn.c_attn.weight",
    "l_qkvb": "attn.c_attn.bias",
    "l_attprojw": "attn.c_proj.weight",
    "l_attprojb": "attn.c_proj.bias",
    "l_ln2w": "ln_2.weight",
    "l_ln2b": "ln_2.bias",
    "l_fcw": "mlp.c_fc.weight",
    "l_fcb": "mlp.c_fc.bias",
    "l_fcprojw": "mlp.c_proj.weight",
    "l_fcprojb": "mlp.c_proj.bias",
}
_OUT_IN = ("l_qkvw", "l_attprojw", "l_fcw", "l_fcprojw")
"""Stored (out, in); the project has (in, out)."""

_NORM = {"mean": "mean", "xmu": "centered", "var": "variance", "rstd": "rstd", "xhat": "normalized", "out": "out"}
_ACTIVATIONS = {
    "tok": "embedding.token",
    "pos": "embedding.position",
    "encoded": "embedding.sum",
    "encoded_dropped": "embedding.dropout",
    **{f"l_ln1_{own}": f"ln_1.{name}" for own, name in _NORM.items()},
    "l_qkv": "attn.qkv",
    "l_q": "attn.q",
    "l_k": "attn.k",
    "l_v": "attn.v",
    "l_qk": "attn.scores",
    "l_preatt": "attn.scaled",
    "l_masked": "attn.masked",
    "l_att_maxval": "attn.softmax.max",
    "l_att_exp": "attn.softmax.exponentials",
    "l_att_expsum": "attn.softmax.sum",
    "l_att": "attn.weights",
    "l_att_dropped": "attn.weights_dropout",
    "l_atty": "attn.heads",
    "l_atty_flat": "attn.merged",
    "l_attproj": "attn.out",
    "l_attproj_dropped": "attn.out_dropout",
    "l_residual2": "attn.residual",
    **{f"l_ln2_{own}": f"ln_2.{name}" for own, name in _NORM.items()},
    "l_fch": "mlp.hidden",
    "l_gelu_arg": "mlp.gelu.argument",
    "l_gelu_tanh": "mlp.gelu.tanh",
    "l_gelu_erf": "mlp.gelu.erf",
    "l_fch_gelu": "mlp.activated",
    "l_fcproj": "mlp.out",
    "l_fcproj_dropped": "mlp.out_dropout",
    "l_residual3": "mlp.residual",
    **{f"lnf_{own}": f"ln_f.{name}" for own, name in _NORM.items()},
    "logits": "logits",
    "probs_maxval": "softmax.max",
    "probs_exp": "softmax.exponentials",
    "probs_expsum": "softmax.sum",
    "probs": "probabilities",
    "losses": "losses",
    "loss": "loss",
}
_HEADS = ("l_q", "l_k", "l_v", "l_atty")
"""Stored (B, T, H, D); the project has (B, H, T, D)."""

_NORM_INPUT = {"lnf_in": "ln_f.dx", "l_ln1_in": "ln_1.dx", "l_ln2_in": "ln_2.dx"}
_UPDATE = {"file_": "", "clip_": "clipped.", "m_": "m.", "v_": "v.", "new_": "updated."}
_OTHERS = {
    "norm": "clipping.norm",
    "clip_scale": "clipping.scale",
    "grad_wte_head": "head.dweight",
    "grad_wte_encoder": "embedding.dweight",
}


def project_name(name: str) -> str | None:
    """Return the project's name of one of the port's tensors, or None if the project has none for it."""
    layer = match[1] if (match := re.search(r"(?:^|_)l(\d+)_", name)) else None
    key = re.sub(r"(^|_)l\d+_", r"\1l_", name)
    scope = "" if layer is None else f"h.{layer}."
    if key in _OTHERS:
        return _OTHERS[key]
    if key in _ACTIVATIONS:
        return scope + _ACTIVATIONS[key]
    if key.startswith("d_"):
        inner = key.removeprefix("d_")
        if inner in _NORM_INPUT:
            return scope + _NORM_INPUT[inner]
        return gradient_name(scope + _ACTIVATIONS[inner]) if inner in _ACTIVATIONS else None
    if key.startswith("grad_") and key.removeprefix("grad_") in _PARAMETERS:
        return gradient_name(scope + _PARAMETERS[key.removeprefix("grad_")])
    for prefix, word in _UPDATE.items():
        if key.startswith(prefix) and key.removeprefix(prefix) in _PARAMETERS:
            return word + scope + _PARAMETERS[key.removeprefix(prefix)]
    return None


def to_project(name: str, tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor of the port with the project's axes."""
    key = re.sub(r"(^|_)l\d+_", r"\1l_", name)
    array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # NumPy has no bfloat16
    if key.endswith(_OUT_IN):
        return np.ascontiguousarray(array.T)
    if key.removeprefix("d_") in _HEADS:
        return np.ascontiguousarray(array.swapaxes(1, 2))
    return array.copy()


def own_parameters(config: GPTConfig, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters of the project under the port's names and in its layout."""
    own: dict[str, np.ndarray] = {}
    for key, name in _PARAMETERS.items():
        scopes = [(f"l{n}_", f"h.{n}.") for n in range(config.n_layer)] if key.startswith("l_") else [("", "")]
        for mine, theirs in scopes:
            if theirs + name in values:
                array = values[theirs + name]
                own[mine + key.removeprefix("l_") if mine else key] = array.T if key in _OUT_IN else array
    return own


MASKS = {"encoded": "embedding.dropout", "l_att": "attn.weights_dropout", "l_attproj": "attn.out_dropout"} | {
    "l_fcproj": "mlp.out_dropout"
}
"""The places of the port's dropouts and the project's names of their masks."""


def own_masks(config: GPTConfig, masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the dropout masks under the port's names, such as ``l0_attdrop``."""
    own = {"encodeddrop": masks["embedding.dropout"]} if masks else {}
    for n in range(config.n_layer if masks else 0):
        own |= {f"l{n}_{key[2:]}drop": masks[f"h.{n}.{name}"] for key, name in MASKS.items() if key != "encoded"}
    return own
