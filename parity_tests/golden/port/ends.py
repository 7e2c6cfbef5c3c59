"""Both ends of the model: the embeddings, and the head with the loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors, add_to, misread
from parity_tests.golden.port.products import product
from parity_tests.golden.port.softmax import softmax_forward
from parity_tests.golden.port.switches import Switches


def encoder_forward(p: Tensors, a: Tensors, tokens: Tensor, bug: Switches) -> Tensor:
    """Return wte[tokens] + wpe[0..T) for tokens (B, T) → (B, T, C)."""
    a["tok"] = p["wte"][tokens]
    if bug("token_of_next", "enc"):
        a["tok"] = p["wte"][torch.roll(tokens, -1, 1)]
    if bug("embedding_scaled", "enc"):
        a["tok"] = a["tok"] * p["wte"].shape[1] ** 0.5
    a["pos"] = p["wpe"][_positions(p, tokens, bug.fwd)]
    if bug.fwd("positions_forgotten"):
        a["pos"] = torch.zeros_like(a["pos"])
    a["encoded"] = a["tok"] + a["pos"]
    if bug("position_of_sequence"):
        a["encoded"] = a["tok"] + p["wpe"][: len(tokens), None]
    if bug("positions_only_in_first_sequence"):
        a["encoded"] = torch.cat((a["encoded"][:1], a["tok"][1:]))
    return a["encoded"]


def encoder_backward(p: Tensors, g: Tensors, d: Tensors, tokens: Tensor, dout: Tensor, bug: Switches) -> None:
    """Add the gradients of both embeddings to g: a token that occurs twice gets both gradients."""
    d["encoded"] = d["tok"] = dout
    dwte = torch.zeros_like(p["wte"])
    for b, t in torch.cartesian_prod(torch.arange(tokens.shape[0]), torch.arange(tokens.shape[1])).reshape(-1, 2):
        row = tokens[b, t]
        dwte[row] = dout[b, t] if bug("repeated_tokens_overwritten") else dwte[row] + dout[b, t]
    if bug("repeated_tokens_averaged"):
        times = torch.bincount(tokens.reshape(-1), minlength=len(dwte)).clamp(min=1)
        dwte = dwte / times[:, None]
    add_to(g, "wte_encoder", dwte)
    dpos = dout.sum(0)
    if bug("dposition_of_last_sequence"):
        dpos = dout[-1]
    if bug("dposition_averaged"):
        dpos = dout.mean(0)
    if bug.bwd("positions_forgotten"):
        dpos = torch.zeros_like(dpos)
    d["pos"] = dpos
    dwpe = torch.zeros_like(p["wpe"])
    for t, row in enumerate(_positions(p, tokens, bug.bwd)):
        dwpe[row] = dwpe[row] + dpos[t]
    add_to(g, "wpe", dwpe)


def _positions(p: Tensors, tokens: Tensor, bug: Callable[[str], bool]) -> Tensor:
    at = torch.arange(tokens.shape[1])
    if bug("positions_from_one"):
        at = (at + 1) % len(p["wpe"])
    if bug("positions_all_zero"):
        at = at * 0
    if bug("positions_reversed"):
        at = at.flip(0)
    return at


def head_forward(p: Tensors, a: Tensors, x: Tensor, bug: Switches) -> Tensor:
    """Return the logits (B, T, V); the head is (V, C), that of the token embedding if it is tied."""
    head = p["wte"] if bug.fwd("head_tied_though_untied") else head_of(p)
    if bug.fwd("head_random"):
        head = torch.flip(head, (0,))
    if bug.fwd("head_misread"):
        head = misread(head)
    a["logits"] = product("btc,vc->btv", x, head, bug)
    if bug("logits_scaled"):
        a["logits"] = a["logits"] / x.shape[-1] ** 0.5
    if bug("logits_of_last_row_stale"):
        a["logits"] = torch.cat((a["logits"][:, :-1], a["logits"][:, -2:-1]), 1)
    return a["logits"]


def head_backward(p: Tensors, a: Tensors, g: Tensors, d: Tensors, x: Tensor, bug: Switches) -> Tensor:
    """Add the gradient of the head to g and return dx."""
    head = p["wte"] if bug.bwd("head_tied_though_untied") else head_of(p)
    if bug.bwd("head_random"):
        head = torch.flip(head, (0,))
    dhead = product("btv,btc->vc", d["logits"], x, bug)
    if bug("dhead_of_last_sequence"):
        dhead = product("btv,btc->vc", d["logits"][-1:], x[-1:], bug)
    if bug.bwd("head_misread"):
        head, dhead = misread(head), dhead.reshape(dhead.shape[::-1]).t()
    add_to(g, "head", dhead)
    return product("btv,vc->btc", d["logits"], head, bug)


def head_of(p: Tensors) -> Tensor:
    """Return the head's matrix (V, C)."""
    return p.get("head", p["wte"])


def loss_forward(a: Tensors, targets: Tensor, count: int, shift: Tensor, bug: Switches) -> Tensor:
    """Return the sum of the losses of the targets ≥ 0 over ``count``; ``shift`` are the tokens themselves."""
    if bug("targets_not_shifted"):
        targets = shift
    if bug("targets_shifted_twice"):
        targets = torch.roll(targets, -1, 1)
    a["targets_used"] = targets
    probs = softmax_forward(a, "probs", a["logits"], bug)
    a["probs"] = probs
    counted = targets >= 0
    at = targets.clamp(min=0)[..., None]
    a["losses"] = a["probs_exp"].sum(-1).log() - torch.gather(_shifted(a, bug), -1, at)[..., 0]
    if not bug("padding_counts_as_token_zero"):
        a["losses"] = torch.where(counted, a["losses"], torch.zeros_like(a["losses"]))
    if bug("loss_in_bits"):
        a["losses"] = a["losses"] / 0.6931471805599453
    if bug("loss_without_first_position"):
        a["losses"] = torch.cat((torch.zeros_like(a["losses"][:, :1]), a["losses"][:, 1:]), 1)
    a["loss"] = a["losses"].sum() / _count(count, targets, bug.fwd)
    return a["loss"]


def loss_backward(a: Tensors, d: Tensors, count: int, bug: Switches) -> None:
    """Keep dlogits = (p − onehot)/count, 0 where the target is negative."""
    targets = a["targets_used"]
    dlogits = a["probs"].clone()
    onehot = torch.zeros_like(dlogits).scatter_(-1, targets.clamp(min=0)[..., None], 1)
    if not bug("onehot_forgotten"):
        dlogits = dlogits - onehot
    if bug("loss_gradient_negated"):
        dlogits = -dlogits
    if not bug("padding_counts_as_token_zero") and not bug("padding_in_gradient"):
        dlogits = torch.where((targets >= 0)[..., None], dlogits, torch.zeros_like(dlogits))
    d["logits"] = dlogits / _count(count, targets, bug.bwd)


def _shifted(a: Tensors, bug: Switches) -> Tensor:
    if bug("no_maximum", "probs"):
        return a["logits"]
    if bug("maximum_of_the_whole", "probs"):
        return a["logits"] - a["logits"].max()
    return a["logits"] - a["logits"].max(-1, keepdim=True).values


def _count(count: int, targets: Tensor, bug: Callable[[str], bool]) -> int:
    if bug("loss_summed"):
        return 1
    if bug("loss_over_batch_only"):
        return len(targets)
    if bug("loss_over_time_only"):
        return targets.shape[1]
    if bug("padding_in_the_mean") or bug("padding_counts_as_token_zero"):
        return targets.numel()
    return count
