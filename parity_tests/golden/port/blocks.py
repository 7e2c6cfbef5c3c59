"""A transformer block, its residual streams and its dropout."""

from __future__ import annotations

from torch import Tensor

from parity_tests.golden.port.attention import attention_backward, attention_forward
from parity_tests.golden.port.linear import Tensors, linear_backward, linear_forward
from parity_tests.golden.port.mlp import gelu_backward, gelu_forward
from parity_tests.golden.port.norm import norm_backward, norm_forward
from parity_tests.golden.port.settings import Settings
from parity_tests.golden.port.switches import Switches


def block_forward(p: Tensors, a: Tensors, at: str, x: Tensor, s: Settings, bug: Switches) -> Tensor:
    """Return the stream (B, T, C) after layer ``at``, such as l0_."""
    a[at + "in"] = x
    h = norm_forward(p, a, at + "ln1", x, s.eps, bug)
    y = attention_forward(p, a, at, h, s.heads, bug)
    y = dropout_forward(a, at + "attproj", y, bug)
    a[at + "residual2"] = _residual(x, h, y, at + "attn", bug)
    h = norm_forward(p, a, at + "ln2", a[at + "residual2"], s.eps, bug)
    y = _mlp_forward(p, a, at, h, s, bug)
    if bug("mlp_of_stream_before_attention", at):
        y = _mlp_forward(p, a, at, norm_forward(p, {}, at + "ln2", x, s.eps, bug), s, bug)
    y = dropout_forward(a, at + "fcproj", y, bug)
    a[at + "residual3"] = _residual(a[at + "residual2"], h, y, at + "mlp", bug)
    return a[at + "residual3"]


def block_backward(
    p: Tensors, a: Tensors, g: Tensors, d: Tensors, at: str, dout: Tensor, s: Settings, bug: Switches
) -> Tensor:
    """Return the gradient of the stream before layer ``at``."""
    d[at + "residual3"] = dout
    dy = dropout_backward(a, d, at + "fcproj", dout, bug)
    d[at + "fcproj"] = dy
    dgelu = linear_backward(p, g, at + "fcproj", a[at + "fch_gelu"], dy, bug)
    d[at + "fch_gelu"] = dgelu
    d[at + "fch"] = gelu_backward(at, a[at + "fch"], dgelu, s.activation, bug)
    dh = linear_backward(p, g, at + "fc", a[at + "ln2_out"], d[at + "fch"], bug)
    dmiddle = _residual_backward(p, a, g, d, at + "ln2", dout, dh, at + "mlp", bug)

    d[at + "residual2"] = dmiddle
    dy = dropout_backward(a, d, at + "attproj", dmiddle, bug)
    dh = attention_backward(p, a, g, d, at, dy, bug)
    return _residual_backward(p, a, g, d, at + "ln1", dmiddle, dh, at + "attn", bug)


def post_norm_forward(p: Tensors, a: Tensors, at: str, x: Tensor, s: Settings, bug: Switches) -> Tensor:
    """Return ln2(b + mlp(b)) with b = ln1(x + attention(x)): the block of the first transformer, a planted bug."""
    a[at + "in"] = a[at + "ln1_out"] = x
    y = dropout_forward(a, at + "attproj", attention_forward(p, a, at, x, s.heads, bug), bug)
    a[at + "residual2"] = x + y
    b = norm_forward(p, a, at + "ln1", a[at + "residual2"], s.eps, bug)
    y = dropout_forward(a, at + "fcproj", _mlp_forward(p, a, at, b, s, bug), bug)
    a[at + "residual3"] = b + y
    return norm_forward(p, a, at + "ln2", a[at + "residual3"], s.eps, bug)


def post_norm_backward(
    p: Tensors, a: Tensors, g: Tensors, d: Tensors, at: str, dout: Tensor, s: Settings, bug: Switches
) -> Tensor:
    """Return the gradient of the stream before a layer of post_norm_forward."""
    dstream = norm_backward(p, a, g, d, at + "ln2", dout, bug)
    d[at + "residual3"] = dstream
    d[at + "fcproj"] = dropout_backward(a, d, at + "fcproj", dstream, bug)
    d[at + "fch_gelu"] = linear_backward(p, g, at + "fcproj", a[at + "fch_gelu"], d[at + "fcproj"], bug)
    d[at + "fch"] = gelu_backward(at, a[at + "fch"], d[at + "fch_gelu"], s.activation, bug)
    db = dstream + linear_backward(p, g, at + "fc", a[at + "ln1_out"], d[at + "fch"], bug)
    dstream = norm_backward(p, a, g, d, at + "ln1", db, bug)
    d[at + "residual2"] = dstream
    dy = dropout_backward(a, d, at + "attproj", dstream, bug)
    a = a | {at + "ln1_out": a[at + "in"]}
    return dstream + attention_backward(p, a, g, d, at, dy, bug)


def dropout_forward(a: Tensors, place: str, x: Tensor, bug: Switches) -> Tensor:
    """Return x times its mask, if there is one: ``{place}drop``."""
    if place + "drop" not in a:
        return x
    a[place + "_dropped"] = x * a[place + "drop"]
    return a[place + "_dropped"]


def dropout_backward(a: Tensors, d: Tensors, place: str, dout: Tensor, bug: Switches) -> Tensor:
    """Return dx for the gradient of dropout_forward's result."""
    if place + "drop" not in a:
        return dout
    d[place + "_dropped"] = dout
    return dout if bug("dropout_lost_in_backward", place) else dout * a[place + "drop"]


def _mlp_forward(p: Tensors, a: Tensors, at: str, x: Tensor, s: Settings, bug: Switches) -> Tensor:
    a[at + "fch"] = linear_forward(p, at + "fc", x, bug)
    a[at + "fch_gelu"] = gelu_forward(a, at, a[at + "fch"], s.activation, bug)
    a[at + "fcproj"] = linear_forward(p, at + "fcproj", a[at + "fch_gelu"], bug)
    return a[at + "fcproj"]


def _residual(x: Tensor, normed: Tensor, y: Tensor, place: str, bug: Switches) -> Tensor:
    if bug.fwd("residual_forgotten", place):
        return y
    if bug.fwd("residual_of_normed", place):
        return normed + y
    if bug("residual_scaled", place):
        return (x + y) / 2**0.5
    if bug("residual_subtracted", place):
        return x - y
    if bug("residual_twice", place):
        return x + x + y
    return x + y


def _residual_backward(
    p: Tensors, a: Tensors, g: Tensors, d: Tensors, norm: str, dout: Tensor, dh: Tensor, place: str, bug: Switches
) -> Tensor:
    if bug.bwd("residual_of_normed", place) or bug("bypass_before_norm", place):
        return norm_backward(p, a, g, d, norm, dh + dout, bug)
    dx = norm_backward(p, a, g, d, norm, dh, bug)
    if bug.bwd("residual_forgotten", place):
        return dx
    if bug("branch_lost", place):
        return dout
    if bug("bypass_twice", place):
        return dx + dout + dout
    return dx + dout
