"""Layer norm, forward and backward."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors, add_to
from parity_tests.golden.port.switches import Switches


def norm_forward(p: Tensors, a: Tensors, place: str, x: Tensor, eps: float, bug: Switches) -> Tensor:
    """Return γ·(x − μ)/√(σ² + ε) + β over the last axis of x (B, T, C)."""
    channels = x.shape[-1]
    mean = x.mean(-1)
    xmu = x - mean[..., None]
    if bug("mean_not_subtracted", place):
        xmu = x
    var = (xmu * xmu).mean(-1)
    if bug.fwd("variance_unbiased", place):
        var = var * channels / max(channels - 1, 1)
    if bug("variance_one_pass", place):
        var = (x * x).mean(-1) - mean * mean
    if bug("epsilon_1e-6", place):
        eps = 1e-6
    if bug("epsilon_1e-8", place):
        eps = 1e-8
    if bug("epsilon_1e-12", place):
        eps = 1e-12
    if bug("epsilon_missing", place):
        eps = 0.0
    rstd = 1 / torch.sqrt(var + eps)
    if bug("epsilon_outside_root", place):
        rstd = 1 / (torch.sqrt(var) + eps)
    xhat = xmu * rstd[..., None]
    out = xhat if bug.fwd("gamma_forgotten", place) else xhat * p[place + "w"]
    if bug("gamma_plus_one", place):
        out = xhat * (1 + p[place + "w"])
    if place + "b" in p and not bug("beta_forgotten", place):
        out = out + p[place + "b"]
    for name, value in (("mean", mean), ("xmu", xmu), ("var", var), ("rstd", rstd), ("xhat", xhat), ("out", out)):
        a[f"{place}_{name}"] = value
    return out


def norm_backward(p: Tensors, a: Tensors, g: Tensors, d: Tensors, place: str, dout: Tensor, bug: Switches) -> Tensor:
    """Add the gradients of γ and β to g and return dx."""
    rstd, xhat = a[f"{place}_rstd"][..., None], a[f"{place}_xhat"]
    channels = dout.shape[-1]
    if place + "b" in p:
        db = torch.zeros_like(p[place + "b"]) if bug("dbeta_forgotten", place) else dout.sum((0, 1))
        add_to(g, place + "b", dout[-1].sum(0) if bug("dbeta_of_last_sequence", place) else db)
    dgamma = dout * (a[f"{place}_xmu"] if bug("dgamma_of_centered", place) else xhat)
    if bug.bwd("gamma_forgotten", place) and bug.fwd("gamma_forgotten", place):
        dgamma = torch.zeros_like(dgamma)
    add_to(g, place + "w", dgamma[-1].sum(0) if bug("dgamma_of_last_sequence", place) else dgamma.sum((0, 1)))

    dxhat = dout if bug.bwd("gamma_forgotten", place) else dout * p[place + "w"]
    dmean = dxhat.mean(-1, keepdim=True)
    along = (dxhat * xhat).mean(-1, keepdim=True)
    if bug.bwd("variance_unbiased", place):
        along = along * channels / max(channels - 1, 1)
    if bug("norm_term_of_mean_dropped", place):
        dmean = torch.zeros_like(dmean)
    if bug("norm_term_of_variance_dropped", place):
        along = torch.zeros_like(along)
    if bug("norm_term_of_variance_added", place):
        along = -along
    dx = dxhat - dmean - xhat * along
    if not bug("norm_rstd_dropped", place):
        dx = dx * rstd
    if bug("norm_rstd_squared", place):
        dx = dx * rstd
    d[f"{place}_out"], d[f"{place}_xhat"], d[f"{place}_in"] = dout, dxhat, dx
    return dx
