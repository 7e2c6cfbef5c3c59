"""The whole port: several training steps, each of one or more micro-batches, and every array that they computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from parity_tests.golden.port.adam import adamw, clip
from parity_tests.golden.port.blocks import (
    block_backward,
    block_forward,
    dropout_backward,
    dropout_forward,
    post_norm_backward,
    post_norm_forward,
)
from parity_tests.golden.port.ends import (
    encoder_backward,
    encoder_forward,
    head_backward,
    head_forward,
    loss_backward,
    loss_forward,
)
from parity_tests.golden.port.linear import Tensors, add_to, misread
from parity_tests.golden.port.norm import norm_backward, norm_forward
from parity_tests.golden.port.settings import Settings
from parity_tests.golden.port.switches import Switches

Step = dict[str, Tensor]
"""Every array of a step: in the first the parameters as ``file_name``, then activations by their names, their gradients
as ``d_name``, gradients of parameters as ``grad_name``, then ``clip_name``, ``m_name``, ``v_name`` and ``new_name``."""


def train(
    weights: Tensors,
    batches: Sequence[tuple[Tensor, Tensor]],
    masks: Sequence[Tensors],
    rates: Sequence[float],
    s: Settings,
    bug: Switches,
) -> list[Step]:
    """Return every array of every step, for batches of tokens and targets (B, T), dropout masks and learning rates."""
    p = {name: misread(x) if bug("loaded_misread", name[:-1]) else x for name, x in weights.items()}
    loaded = {"file_" + name: x for name, x in p.items()}
    if bug("head_untied_copy"):
        p["head"] = p["wte"]
    m, v = ({name: torch.zeros_like(x) for name, x in p.items()} for _ in range(2))
    steps: list[Step] = []
    for number, (tokens, targets) in enumerate(batches, 1):
        step, g = _gradients(p, tokens, targets, masks[number - 1], s, bug)
        if bug("gradients_not_cleared") and steps:
            g = {name: x + steps[-1]["grad_" + name] for name, x in g.items()}
        step |= {"grad_" + name: x for name, x in g.items()}
        if bug("moments_of_unclipped"):
            clipped, step["norm"], step["clip_scale"] = g, *clip(g, s, bug)[1:]
        else:
            clipped, step["norm"], step["clip_scale"] = clip(g, s, bug)
        step |= {"clip_" + name: x for name, x in clipped.items()}
        if bug("moments_cleared"):
            m, v = ({name: torch.zeros_like(x) for name, x in p.items()} for _ in range(2))
        adamw(p, clipped, m, v, number, _rate(rates, number - 1, bug), s, bug)
        if bug("layer_zero_frozen"):
            p |= {name: x for name, x in weights.items() if name.startswith("l0_")}
        for prefix, tensors in (("m_", m), ("v_", v), ("new_", p)):
            step |= {prefix + name: x for name, x in tensors.items()}
        steps.append(loaded | step if number == 1 else step)
    return steps


def _rate(rates: Sequence[float], at: int, bug: Switches) -> float:
    if bug("rate_of_next_step"):
        return rates[min(at + 1, len(rates) - 1)]
    if bug("rate_of_previous_step"):
        return rates[max(at - 1, 0)]
    return rates[0] if bug("rate_constant") else rates[at]


def _gradients(
    p: Tensors, tokens: Tensor, targets: Tensor, masks: Tensors, s: Settings, bug: Switches
) -> tuple[Step, Tensors]:
    """Run the micro-batches; activations are joined along the batch, and gradients of parameters are added."""
    g: Tensors = {}
    parts: list[Step] = []
    count = int((targets >= 0).sum())
    if bug("accumulation_not_divided"):
        count = count // s.accumulate
    for part in torch.arange(len(tokens)).chunk(s.accumulate):
        a = {name: _mask(x[part], s, bug) for name, x in masks.items()}
        d: Tensors = {}
        _forward(p, a, tokens[part], targets[part], count, s, bug)
        _backward(p, a, g, d, tokens[part], count, s, bug)
        parts.append(a | {"d_" + name: x for name, x in d.items()})
        if bug("accumulation_overwritten") and len(parts) < s.accumulate:
            g.clear()
    step = {name: _join(name, [part[name] for part in parts]) for name in parts[0]}
    if "head" not in p:
        step |= {"grad_wte_head": g["head"], "grad_wte_encoder": g["wte_encoder"]}
        g["wte"] = _tied(g.pop("wte_encoder"), g.pop("head"), bug)
    else:
        g["wte"] = g.pop("wte_encoder")
        if bug("head_untied_copy"):
            step |= {"grad_wte_head": g["head"], "grad_wte_encoder": g["wte"]}
    return step, {name: g[name] for name in p}


def _tied(of_encoder: Tensor, of_head: Tensor, bug: Switches) -> Tensor:
    if bug("tied_gradient_of_head_lost"):
        return of_encoder
    if bug("tied_gradient_of_embedding_lost"):
        return of_head
    return (of_encoder + of_head) / 2 if bug("tied_gradient_averaged") else of_encoder + of_head


def _join(name: str, parts: list[Tensor]) -> Tensor:
    if name in ("loss", "d_pos"):
        return torch.stack(parts).sum(0)
    return parts[0] if name == "pos" else torch.cat(parts)


def _mask(mask: Tensor, s: Settings, bug: Switches) -> Tensor:
    if bug("dropout_not_scaled"):
        return (mask > 0).to(mask.dtype)
    if bug("dropout_scaled_by_rate"):
        return (mask > 0).to(mask.dtype) / s.dropout
    if bug("dropout_scaled_down"):
        return (mask > 0).to(mask.dtype) * (1 - s.dropout)
    return mask * mask if bug("dropout_scaled_twice") else mask


def _forward(p: Tensors, a: Tensors, tokens: Tensor, targets: Tensor, count: int, s: Settings, bug: Switches) -> None:
    block = post_norm_forward if bug("post_norm") else block_forward
    x = dropout_forward(a, "encoded", encoder_forward(p, a, tokens, bug), bug)
    for layer in range(s.layers):
        x = block(_weights(p, layer, s, bug), a, f"l{layer}_", x, s, bug)
    if bug("last_layer_skipped") and s.layers > 1:
        x = a[f"l{s.layers - 1}_in"]
    a["stream"] = x
    if not bug.fwd("final_norm_forgotten"):
        x = norm_forward(p, a, "lnf", x, s.eps, bug)
    a["head_in"] = x
    head_forward(p, a, x, bug)
    loss_forward(a, targets, count, tokens, bug)


def _backward(
    p: Tensors, a: Tensors, g: Tensors, d: Tensors, tokens: Tensor, count: int, s: Settings, bug: Switches
) -> None:
    block = post_norm_backward if bug("post_norm") else block_backward
    loss_backward(a, d, count, bug)
    dx = head_backward(p, a, g, d, a["head_in"], bug)
    if bug.bwd("final_norm_forgotten"):
        for name in [name for name in p if name.startswith("lnf")]:
            add_to(g, name, torch.zeros_like(p[name]))
    else:
        dx = norm_backward(p, a, g, d, "lnf", dx, bug)
    for layer in reversed(range(s.layers)):
        dx = block(_weights(p, layer, s, bug), a, g, d, f"l{layer}_", dx, s, bug)
    encoder_backward(p, g, d, tokens, dropout_backward(a, d, "encoded", dx, bug), bug)


def _weights(p: Tensors, layer: int, s: Settings, bug: Switches) -> Tensors:
    """Return the parameters; with a bug, those that stand under the names of a layer are another layer's."""
    if bug("weights_of_layer_zero"):
        return p | {f"l{layer}_{name[3:]}": x for name, x in p.items() if name.startswith("l0_")}
    if bug("norm_of_layer_zero"):
        return p | {f"l{layer}_{name[3:]}": x for name, x in p.items() if name.startswith("l0_ln")}
    if bug("mlp_of_next_layer"):
        other = f"l{(layer + 1) % s.layers}_fc"
        return p | {f"l{layer}_{name[3:]}": x for name, x in p.items() if name.startswith(other)}
    return p
