"""Clipping and AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors
from parity_tests.golden.port.settings import Settings
from parity_tests.golden.port.switches import Switches


def clip(g: Tensors, s: Settings, bug: Switches) -> tuple[Tensors, Tensor, Tensor]:
    """Return the clipped gradients, the norm of all together, and the scale min(1, clip/(norm + 1e-6))."""
    norm = torch.stack([x.square().sum() for x in g.values()]).sum().sqrt()
    if bug("norm_not_rooted"):
        norm = norm.square()
    if bug("norm_of_matrices_only"):
        norm = torch.stack([x.square().sum() for x in g.values() if x.dim() == 2]).sum().sqrt()
    one = torch.ones_like(norm)
    if s.grad_clip == 0 or bug("clipping_missing"):
        return g, norm, one
    if bug("clipping_per_tensor"):
        return {name: x * _scale(x.square().sum().sqrt(), s, bug) for name, x in g.items()}, norm, one
    if bug("clipping_by_value"):
        return {name: x.clamp(-s.grad_clip, s.grad_clip) for name, x in g.items()}, norm, one
    scale = _scale(norm, s, bug)
    return {name: x * scale for name, x in g.items()}, norm, scale


def _scale(norm: Tensor, s: Settings, bug: Switches) -> Tensor:
    scale = s.grad_clip / (norm if bug("clipping_without_epsilon") else norm + 1e-6)
    return scale if bug("clipping_always") else torch.clamp(scale, max=1.0)


def adamw(p: Tensors, g: Tensors, m: Tensors, v: Tensors, step: int, rate: float, s: Settings, bug: Switches) -> None:
    """Take step ``step``, from 1, replacing the tensors of p, m and v."""
    beta1, beta2, eps = s.beta1, s.beta2, s.adam_eps
    if bug("betas_swapped"):
        beta1, beta2 = beta2, beta1
    if bug("beta2_0.999"):
        beta2 = 0.999
    if bug("beta1_0.95"):
        beta1 = 0.95
    if bug("adam_epsilon_1e-6"):
        eps = 1e-6
    if bug("step_off_by_one"):
        step = step + 1
    if bug("step_never_counted"):
        step = 1
    for name, theta in p.items():
        grad, decay = g[name], s.weight_decay if _decays(name, theta, bug) else 0.0
        if bug("decay_coupled"):
            grad, decay = grad + decay * theta, 0.0
        m[name] = beta1 * m[name] + (1 - beta1) * grad
        v[name] = beta2 * v[name] + (1 - beta2) * (grad.abs() if bug("v_of_absolute") else grad * grad)
        if bug("m_without_new_weight"):
            m[name] = beta1 * m[name] + grad
        mhat = m[name] if bug("no_m_correction") else m[name] / (1 - beta1**step)
        vhat = v[name] if bug("no_v_correction") else v[name] / (1 - beta2**step)
        change = mhat / (torch.sqrt(vhat) + eps)
        if bug("adam_epsilon_inside_root"):
            change = mhat / torch.sqrt(vhat + eps)
        if bug("adam_epsilon_before_correction"):
            change = mhat / ((torch.sqrt(v[name]) + eps) / (1 - beta2**step) ** 0.5)
        if bug("update_of_raw_gradient"):
            change = grad
        if bug("decay_without_rate"):
            theta = theta * (1 - decay)
        elif bug("decay_after_update"):
            p[name] = (theta - rate * change) * (1 - rate * decay)
            continue
        else:
            theta = theta * (1 - rate * decay)
        p[name] = theta + rate * change if bug("update_added") else theta - rate * change


def _decays(name: str, theta: Tensor, bug: Switches) -> bool:
    if bug("decay_on_vectors"):
        return True
    if bug("decay_missing"):
        return False
    if bug("decay_not_on_embeddings") and name in ("wte", "wpe"):
        return False
    return theta.dim() == 2
