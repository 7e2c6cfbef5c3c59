"""AdamW written out, torch's fused AdamW, and the exponential moving average (EMA) of the weights they update.

Kingma & Ba 2015; Loshchilov & Hutter 2019; the average is Polyak & Juditsky's (1992) in its exponential form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from torch_gpt.parameters import decays


class AdamWState(NamedTuple):
    """The moving averages of the gradient (m) and of its square (v), by parameter name."""

    m: dict[str, Tensor]
    v: dict[str, Tensor]


def adamw_state(parameters: Mapping[str, Tensor]) -> AdamWState:
    """Return the state before the first step: all zeros."""
    m, v = ({name: torch.zeros_like(parameter) for name, parameter in parameters.items()} for _ in range(2))
    return AdamWState(m, v)


@torch.no_grad()
def adamw_step(
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    state: AdamWState,
    step: int,
    learning_rate: float,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None:
    """Take one step in place; ``step`` counts from 1, as the bias correction requires.

    θ ← θ − η·λ·θ for matrices, then θ ← θ − η·m̂/(√v̂ + ε). ``gradients`` do not change.
    """
    for name, parameter in parameters.items():
        g, m, v = gradients[name], state.m[name], state.v[name]
        if decays(parameter):
            parameter.mul_(1 - learning_rate * weight_decay)  # (13.3)
        m.mul_(beta1).add_(g, alpha=1 - beta1)  # (13.4)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # (13.5)
        m_hat = m / (1 - beta1**step)  # (13.6)
        v_hat = v / (1 - beta2**step)  # (13.7)
        parameter.sub_(learning_rate * m_hat / (v_hat.sqrt() + epsilon))  # (13.8)


def fused_adamw(
    parameters: Mapping[str, Tensor],
    state: AdamWState,
    step: int,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    rate: Tensor | None = None,
) -> torch.optim.AdamW:
    """Return torch's own fused AdamW, which does the same and updates ``state``, the state after ``step`` steps.

    It reads the learning rate from the tensor ``rate``, so that a CUDA graph can contain the step.
    """
    matrices = [parameter for parameter in parameters.values() if decays(parameter)]
    vectors = [parameter for parameter in parameters.values() if not decays(parameter)]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    on_cuda = rate is not None and rate.device.type == "cuda"
    optimizer = torch.optim.AdamW(
        groups, lr=0.0 if rate is None else rate, betas=(beta1, beta2), eps=epsilon, fused=True, capturable=on_cuda
    )
    for name, parameter in parameters.items():
        steps = torch.tensor(float(step), device=parameter.device)
        optimizer.state[parameter] = {"step": steps, "exp_avg": state.m[name], "exp_avg_sq": state.v[name]}
    return optimizer


def fused_adamw_step(
    optimizer: torch.optim.AdamW,
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    learning_rate: float,
) -> None:
    """Take one step in place with the optimizer that ``fused_adamw`` returned, which counts the steps itself."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    for name, parameter in parameters.items():
        parameter.grad = gradients[name]
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def update_ema(ema: Mapping[str, Tensor], parameters: Mapping[str, Tensor], weight: float | Tensor) -> None:
    """Move the EMA in place toward the parameters, by ``weight`` of the difference (13.11)."""
    changes = torch._foreach_sub([parameters[name] for name in ema], list(ema.values()))
    torch._foreach_mul_(changes, weight)
    torch._foreach_add_(list(ema.values()), changes)


@torch.no_grad()
def swap_ema(ema: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    """Exchange the values of the EMA and the parameters in place; doing so twice changes nothing."""
    for name, average in ema.items():
        copy = average.clone()
        average.copy_(parameters[name])
        parameters[name].copy_(copy)
