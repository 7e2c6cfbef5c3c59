"""Linear layers, with weights stored (out, in) as in torch: y = x Wᵀ + b."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests.golden.port.products import product
from parity_tests.golden.port.switches import Switches

Tensors = dict[str, Tensor]


def linear_forward(p: Tensors, place: str, x: Tensor, bug: Switches) -> Tensor:
    """Return x Wᵀ + b for x (B, T, in) and the parameters ``{place}w`` (out, in) and, if there is one, ``{place}b``."""
    w = p[place + "w"]
    if bug.fwd("weight_misread", place):
        w = misread(w)
    y = product("bti,oi->bto", x, w, bug)
    if place + "b" in p and not bug("bias_forgotten", place):
        y = y + p[place + "b"]
    if place + "b" in p and bug("bias_twice", place):
        y = y + p[place + "b"]
    return y


def linear_backward(p: Tensors, g: Tensors, place: str, x: Tensor, dy: Tensor, bug: Switches) -> Tensor:
    """Add the gradients of the parameters to g and return dx (B, T, in)."""
    w = p[place + "w"]
    used, dused = (x[-1:], dy[-1:]) if bug("dweight_of_last_sequence", place) else (x, dy)
    dw = product("bto,bti->oi", dused, used, bug)
    if bug("dweight_misread", place):
        dw = misread(dw)
    if bug("dweight_without_first_position", place):
        dw = product("bto,bti->oi", dy[:, 1:], x[:, 1:], bug)
    add_to(g, place + "w", dw)
    if place + "b" in p:
        db = dy.sum((0, 1))
        if bug("dbias_of_last_sequence", place):
            db = dy[-1].sum(0)
        if bug("dbias_forgotten", place):
            db = torch.zeros_like(db)
        if bug("dbias_averaged", place):
            db = dy.mean((0, 1))
        add_to(g, place + "b", db)
    if bug.bwd("weight_misread", place):
        w = misread(w)
    return product("bto,oi->bti", dy, w, bug)


def misread(w: Tensor) -> Tensor:
    """Return the (in, out) numbers of a file laid out as (out, in): for a square matrix, the transposed one."""
    return w.t().reshape(w.shape)


def add_to(g: Tensors, name: str, gradient: Tensor) -> None:
    """Add to a gradient that starts at zero, as every micro-batch of a step does."""
    g[name] = g[name] + gradient if name in g else gradient
