"""Attention, with q, k, v and the heads' outputs stored (B, T, H, D) and the maps of attention (B, H, T, S)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors, linear_backward, linear_forward
from parity_tests.golden.port.products import product
from parity_tests.golden.port.softmax import softmax_backward, softmax_forward
from parity_tests.golden.port.switches import Switches


def attention_forward(p: Tensors, a: Tensors, at: str, x: Tensor, heads: int, bug: Switches) -> Tensor:
    """Return the output of attention for x (B, T, C), before dropout and residual; ``at`` is the layer, such as l0_."""
    qkv = linear_forward(p, at + "qkv", x, bug)
    a[at + "qkv"] = qkv
    q, k, v = (t.contiguous() for t in _split(qkv, heads, bug.fwd("qkv_interleaved", at), bug.fwd("size_first", at)))
    if bug.fwd("qk_swapped", at):
        q, k = k, q
    if bug.fwd("kv_swapped", at):
        k, v = v, k
    if bug.fwd("qv_swapped", at):
        q, v = v, q
    if bug("key_of_head_zero", at):
        k = k[:, :, :1].expand(k.shape)
    a[at + "q"], a[at + "k"], a[at + "v"] = q, k, v

    qk = product("bthd,bshd->bhts", q, k, bug)
    if bug("scores_transposed", at):
        qk = qk.transpose(-1, -2)
    preatt = qk * _scale(q, bug.fwd("scale_width", at), bug.fwd("scale_missing", at), bug.fwd("scale_twice", at))
    if bug("scale_by_size", at):
        preatt = qk / q.shape[-1]
    masked = _mask(preatt, at, bug)
    a[at + "qk"], a[at + "preatt"], a[at + "masked"] = qk, preatt, masked
    att = softmax_forward(a, at + "att", masked, bug)
    if bug("mask_after_softmax", at):
        att = att * _tril(att, 0)
    if bug("last_row_stale", at):
        att = torch.cat((att[..., :-1, :], att[..., -2:-1, :]), -2)
    a[at + "att"] = att
    used = att
    if at + "attdrop" in a:
        used = att * a[at + "attdrop"]
        a[at + "att_dropped"] = used

    atty = product("bhts,bshd->bthd", used, v, bug)
    if bug("value_of_own_position", at):
        atty = product("bhts,bshd->bthd", used, torch.roll(v, 1, 1), bug)
    if bug("head_overwritten", at):
        atty = torch.cat((atty[:, :, :1], atty[:, :, :1], atty[:, :, 2:]), 2)
    a[at + "atty"] = atty
    merged = _merge(atty, bug.fwd("merged_without_transpose", at), bug.fwd("size_first_in_merge", at))
    a[at + "atty_flat"] = merged
    a[at + "attproj"] = linear_forward(p, at + "attproj", merged, bug)
    return a[at + "attproj"]


def attention_backward(p: Tensors, a: Tensors, g: Tensors, d: Tensors, at: str, dout: Tensor, bug: Switches) -> Tensor:
    """Return dx (B, T, C) for the gradient of attention's output."""
    q, k, v, att, used = a[at + "q"], a[at + "k"], a[at + "v"], a[at + "att"], a.get(at + "att_dropped", a[at + "att"])
    heads = q.shape[2]
    d[at + "attproj"] = dout
    dmerged = linear_backward(p, g, at + "attproj", a[at + "atty_flat"], dout, bug)
    d[at + "atty_flat"] = dmerged
    datty = _unmerge(dmerged, heads, bug.bwd("merged_without_transpose", at), bug.bwd("size_first_in_merge", at))
    d[at + "atty"] = datty

    dused = product("bthd,bshd->bhts", datty, v, bug)
    dv = product("bhts,bthd->bshd", att if bug("dv_of_undropped", at) else used, datty, bug)
    if bug("dv_transposed", at):
        dv = product("bhts,bshd->bthd", used, datty, bug)
    datt = dused
    if at + "attdrop" in a:
        d[at + "att_dropped"] = dused
        datt = dused if bug("dropout_lost_in_backward", at + "att") else dused * a[at + "attdrop"]
    d[at + "att"] = datt
    dmasked = softmax_backward(at + "att", att, datt, bug)
    d[at + "masked"] = d[at + "preatt"] = dmasked
    dqk = dmasked * _scale(q, bug.bwd("scale_width", at), bug.bwd("scale_missing", at), bug.bwd("scale_twice", at))
    d[at + "qk"] = dqk
    dq = product("bhts,bshd->bthd", dqk, k, bug)
    dk = product("bhts,bthd->bshd", dqk, q, bug)
    if bug("dk_transposed", at):
        dk = product("bhts,bshd->bthd", dqk, q, bug)
    if bug("dq_transposed", at):
        dq = product("bhts,bthd->bshd", dqk, k, bug)
    if bug("dq_of_queries", at):
        dq = product("bhts,bshd->bthd", dqk, q, bug)
    if bug("dk_of_last_query", at):
        dk = product("bhts,bthd->bshd", dqk[:, :, -1:], q[:, -1:], bug)
    if bug("dv_not_cleared", at):
        dv = dv + dk
    d[at + "q"], d[at + "k"], d[at + "v"] = dq, dk, dv
    if bug.bwd("qv_swapped", at):
        dq, dv = dv, dq
    if bug.bwd("kv_swapped", at):
        dk, dv = dv, dk
    if bug.bwd("qk_swapped", at):
        dq, dk = dk, dq
    dqkv = _join(dq, dk, dv, bug.bwd("qkv_interleaved", at), bug.bwd("size_first", at))
    d[at + "qkv"] = dqkv
    return linear_backward(p, g, at + "qkv", a[at + "ln1_out"], dqkv, bug)


def _split(qkv: Tensor, heads: int, interleaved: bool, size_first: bool) -> tuple[Tensor, ...]:
    """(B, T, 3C) → three of (B, T, H, D)."""
    batch, time, width = qkv.shape
    size = width // (3 * heads)
    if interleaved:
        return qkv.view(batch, time, heads, 3, size).unbind(3)
    if size_first:
        return tuple(t.transpose(-1, -2) for t in qkv.view(batch, time, 3, size, heads).unbind(2))
    return qkv.view(batch, time, 3, heads, size).unbind(2)


def _join(dq: Tensor, dk: Tensor, dv: Tensor, interleaved: bool, size_first: bool) -> Tensor:
    """Three of (B, T, H, D) → (B, T, 3C)."""
    batch, time, heads, size = dq.shape
    if interleaved:
        together = torch.stack((dq, dk, dv), 3)
    elif size_first:
        together = torch.stack((dq, dk, dv), 2).transpose(-1, -2)
    else:
        together = torch.stack((dq, dk, dv), 2)
    return together.reshape(batch, time, 3 * heads * size)


def _merge(atty: Tensor, without_transpose: bool, size_first: bool) -> Tensor:
    """(B, T, H, D) → (B, T, C)."""
    batch, time, heads, size = atty.shape
    if without_transpose:
        atty = atty.transpose(1, 2)
    if size_first:
        atty = atty.transpose(-1, -2)
    return atty.reshape(batch, time, heads * size)


def _unmerge(dmerged: Tensor, heads: int, without_transpose: bool, size_first: bool) -> Tensor:
    """(B, T, C) → (B, T, H, D)."""
    batch, time, width = dmerged.shape
    if without_transpose:
        return dmerged.view(batch, heads, time, width // heads).transpose(1, 2)
    if size_first:
        return dmerged.view(batch, time, width // heads, heads).transpose(-1, -2)
    return dmerged.view(batch, time, heads, width // heads)


def _scale(q: Tensor, width: bool, missing: bool, twice: bool) -> float:
    heads, size = q.shape[-2:]
    scale = 1 / math.sqrt(heads * size if width else size)
    if missing:
        return 1.0
    return scale * scale if twice else scale


def _mask(preatt: Tensor, at: str, bug: Switches) -> Tensor:
    seen, hidden = _tril(preatt, 0), -torch.inf
    if bug("mask_sees_next", at):
        seen = _tril(preatt, 1)
    if bug("mask_excludes_self", at) or bug("mask_excludes_self_nan", at):
        seen = _tril(preatt, -1)
    if bug("mask_missing", at) or bug("mask_after_softmax", at):
        return preatt
    if bug("mask_of_the_past", at):
        seen = _tril(preatt, 0).t()
    if bug("mask_of_all_but_first", at):
        seen = seen.clone()
        seen[1:, 0] = False
    if bug("mask_small", at):
        hidden = -5.0
    if bug("mask_minus_1e4", at):
        hidden = -1e4
    if bug("mask_added", at):
        return preatt + torch.where(seen, 0.0, -5.0).to(preatt.dtype)
    return preatt.masked_fill(~seen, hidden)


def _tril(scores: Tensor, diagonal: int) -> Tensor:
    time = scores.shape[-1]
    return torch.ones(time, time, dtype=torch.bool).tril(diagonal)
