"""The activation of the feed-forward network, forward and backward."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors
from parity_tests.golden.port.switches import Switches

ROOT = math.sqrt(2 / math.pi)


def gelu_forward(a: Tensors, at: str, x: Tensor, kind: str, bug: Switches) -> Tensor:
    """Return gelu_tanh, gelu_erf or relu of ``{at}fch`` (B, T, F), or the mistake that is planted."""
    kind = _mistaken(kind, bug.fwd("gelu_other", at), bug.fwd("gelu_sigmoid", at), bug.fwd("gelu_silu", at))
    if bug("gelu_twice", at):
        x = _activated({}, at, x, kind, 0.044715, ROOT)
    cubic = 0.044715
    if bug.fwd("gelu_cubic_constant", at):
        cubic = 0.047715
    if bug.fwd("gelu_cubic_0.04", at):
        cubic = 0.04
    root = ROOT
    if bug.fwd("gelu_root_of_pi_over_two", at):
        root = math.sqrt(math.pi / 2)
    if bug.fwd("gelu_root_0.8", at):
        root = 0.8
    if bug("gelu_square_for_cube", at):
        argument = root * (x + cubic * x * x)
        return 0.5 * x * (1 + torch.tanh(argument))
    return _activated(a, at, x, kind, cubic, root)


def _activated(a: Tensors, at: str, x: Tensor, kind: str, cubic: float, root: float) -> Tensor:
    if kind == "relu":
        return torch.where(x > 0, x, torch.zeros_like(x))
    if kind == "gelu_erf":
        a[at + "gelu_erf"] = torch.erf(x / math.sqrt(2))
        return 0.5 * x * (1 + a[at + "gelu_erf"])
    if kind == "sigmoid":
        return x * torch.sigmoid(1.702 * x)
    if kind == "silu":
        return x * torch.sigmoid(x)
    a[at + "gelu_arg"] = root * (x + cubic * x * x * x)
    a[at + "gelu_tanh"] = torch.tanh(a[at + "gelu_arg"])
    return 0.5 * x * (1 + a[at + "gelu_tanh"])


def gelu_backward(at: str, x: Tensor, dout: Tensor, kind: str, bug: Switches) -> Tensor:
    """Return dx for dout."""
    kind = _mistaken(kind, bug.bwd("gelu_other", at), bug.bwd("gelu_sigmoid", at), bug.bwd("gelu_silu", at))
    if bug("gelu_slope_lost", at):
        return dout
    if kind == "relu":
        if bug("relu_slope_of_negative", at):
            return dout * torch.where(x > 0, 1.0, 0.01).to(x.dtype)
        return torch.where(x > 0, dout, torch.zeros_like(dout))
    if kind == "gelu_erf":
        density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        if bug("gelu_slope_term_dropped", at):
            density = torch.zeros_like(x)
        return dout * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density)
    if kind in ("sigmoid", "silu"):
        beta = 1.702 if kind == "sigmoid" else 1.0
        s = torch.sigmoid(beta * x)
        return dout * (s + beta * x * s * (1 - s))
    cubic = 0.047715 if bug.bwd("gelu_cubic_constant", at) else 0.044715
    root = math.sqrt(math.pi / 2) if bug.bwd("gelu_root_of_pi_over_two", at) else ROOT
    if bug.bwd("gelu_cubic_0.04", at):
        cubic = 0.04
    if bug.bwd("gelu_root_0.8", at):
        root = 0.8
    tanh = torch.tanh(root * (x + cubic * x * x * x))
    inner = root * (1 + 3 * cubic * x * x)
    if bug("gelu_slope_without_three", at):
        inner = root * (1 + cubic * x * x)
    if bug("gelu_slope_term_dropped", at):
        inner = torch.zeros_like(x)
    sech2 = 1 - tanh if bug("gelu_sech_not_squared", at) else 1 - tanh * tanh
    return dout * (0.5 * (1 + tanh) + 0.5 * x * sech2 * inner)


def _mistaken(kind: str, other: bool, sigmoid: bool, silu: bool) -> str:
    if other:
        return {"gelu_tanh": "gelu_erf", "gelu_erf": "gelu_tanh", "relu": "gelu_tanh"}[kind]
    if sigmoid:
        return "sigmoid"
    return "silu" if silu else kind
