"""Softmax over the last axis, or over a wrong one."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests.golden.port.linear import Tensors
from parity_tests.golden.port.switches import Switches


def softmax_forward(a: Tensors, place: str, x: Tensor, bug: Switches) -> Tensor:
    """Return exp(x − max)/Σ exp(x − max); keeps ``{place}_maxval``, ``_exp`` and ``_expsum``. A row of −∞ gives 0."""
    axis = _axis(place, bug.fwd("softmax_over_queries", place), bug.fwd("softmax_over_heads", place))
    maxval = x.max(axis, keepdim=True).values
    if bug("no_maximum", place):
        maxval = torch.zeros_like(maxval)
    finite = torch.where(torch.isinf(maxval), torch.zeros_like(maxval), maxval)
    if bug("mask_excludes_self_nan", place):
        finite = maxval
    if bug("maximum_of_the_whole", place):
        finite = x.max()
    exp = torch.exp(x - finite)
    expsum = exp.sum(axis, keepdim=True)
    if bug("softmax_epsilon", place):
        expsum = expsum + 1e-3
    a[f"{place}_exp"] = exp
    if axis == -1:
        a[f"{place}_expsum"] = expsum[..., 0]
        if not bug("no_maximum", place):
            a[f"{place}_maxval"] = maxval[..., 0]
    return torch.where(expsum == 0, torch.zeros_like(exp), exp / expsum)


def softmax_backward(place: str, att: Tensor, datt: Tensor, bug: Switches) -> Tensor:
    """Return the gradient of softmax's argument, att·(datt − Σ att·datt)."""
    axis = _axis(place, bug.bwd("softmax_over_queries", place), bug.bwd("softmax_over_heads", place))
    along = (att * datt).sum(axis, keepdim=True)
    if bug("softmax_term_of_sum_dropped", place):
        along = torch.zeros_like(along)
    if bug("softmax_without_cross_terms", place):
        along = att * datt
    if bug("softmax_sum_unweighted", place):
        along = datt.sum(axis, keepdim=True)
    if bug("softmax_weight_dropped", place):
        return datt - along
    return att * (datt - along)


def _axis(place: str, over_queries: bool, over_heads: bool) -> int:
    if over_queries:
        return -2
    return 1 if over_heads else -1
