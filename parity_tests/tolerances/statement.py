"""The composition of the layers, forward and explicit backward, stated once for every kind of bound.

``ops`` is ``worst_case`` (values with worst-case errors) or a ``sensitivity.Tape`` (values with derivatives); both have
the same operations. ``record`` is called with the names of numpy_gpt.shared.model.names and their values. The equations
are those of docs/derivations.md, written a second time here: a mistake in numpy_gpt must not move its own tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, scoped

Value = Any  # a Bounded, or a tape's tensor
Backward = Callable[[Value], tuple[Value, dict[str, Value]]]


def linear_backward(ops: Any, dout: Value, x: Value, weight: Value, has_bias: bool) -> tuple[Value, Value, Value]:
    """Return dx, dweight, dbias."""
    rows = ops.shaped(x, lambda a: a.reshape(-1, x.shape[-1]))
    drows = ops.shaped(dout, lambda a: a.reshape(-1, dout.shape[-1]))
    dbias = ops.total(drows, 0) if has_bias else None
    dweight = ops.matmul(ops.shaped(rows, _transposed), drows)
    return ops.matmul(dout, ops.shaped(weight, _transposed)), dweight, dbias


class Norm(NamedTuple):
    """What layer norm's backward pass needs."""

    normalized: Value
    rstd: Value
    weight: Value
    has_bias: bool
    x: Value  # if the bound covers fused kernels, else None


def layer_norm(
    ops: Any, x: Value, weight: Value, bias: Value, epsilon: float, record: Record, *, kernel: bool = True
) -> tuple[Value, Norm]:
    """Return y and the inputs of its backward pass; ``kernel`` says whether the bound covers fused kernels."""
    parts = ops.layer_norm(x, epsilon, kernel=kernel)
    for name in ("mean", "centered", "variance", "rstd"):
        part = getattr(parts, name)
        record(name, part if name == "centered" else ops.shaped(part, lambda a: a[..., 0]))
    record("normalized", parts.normalized)
    out = ops.multiply(parts.normalized, weight)
    if bias is not None:
        out = ops.add(out, bias)
    out = hear(record, "out", out)
    return out, Norm(parts.normalized, parts.rstd, weight, bias is not None, x if kernel else None)


def layer_norm_backward(ops: Any, dout: Value, norm: Norm, record: Record) -> tuple[Value, Value, Value]:
    """Return dx, dweight, dbias."""
    dout = hear(record, "dout", dout)
    width = dout.shape[-1]
    rows = ops.shaped(dout, lambda a: a.reshape(-1, width))
    products = ops.shaped(ops.multiply(dout, norm.normalized), lambda a: a.reshape(-1, width))
    dnormalized = ops.multiply(dout, norm.weight)
    record("dnormalized", dnormalized)
    dx = ops.layer_norm_backward(dnormalized, norm.normalized, norm.rstd, norm.x)
    record("dx", dx)
    return dx, ops.total(products, 0), ops.total(rows, 0) if norm.has_bias else None


class RMSNorm(NamedTuple):
    """What RMSNorm's backward pass needs."""

    normalized: Value
    rrms: Value


def rms_norm(ops: Any, x: Value, epsilon: float, record: Record) -> tuple[Value, RMSNorm]:
    """Return y and the inputs of its backward pass."""
    parts = ops.rms_norm(x, epsilon)
    for name in ("mean_square", "rrms"):
        record(name, ops.shaped(getattr(parts, name), lambda a: a[..., 0]))
    return hear(record, "out", parts.normalized), RMSNorm(parts.normalized, parts.rrms)


def rms_norm_backward(ops: Any, dout: Value, norm: RMSNorm, record: Record) -> Value:
    """Return dx."""
    dx = ops.rms_norm_backward(hear(record, "dout", dout), norm.normalized, norm.rrms)
    record("dx", dx)
    return dx


def normalize(
    ops: Any, x: Value, p: Mapping[str, Value], name: str, config: GPTConfig, record: Record
) -> tuple[Value, Callable[[Value], tuple[Value, dict[str, Value]]]]:
    """Return the output of the config's norm called ``name``, and its backward pass, as attention does."""
    at, epsilon = scoped(record, name), config.layer_norm_epsilon
    if config.norm == "rms_norm":
        out, rms = rms_norm(ops, x, epsilon, at)
        return out, lambda dout: (rms_norm_backward(ops, dout, rms, at), {})
    out, norm = layer_norm(ops, x, p[f"{name}.weight"], p.get(f"{name}.bias"), epsilon, at)

    def backward(dout: Value) -> tuple[Value, dict[str, Value]]:
        dx, dweight, dbias = layer_norm_backward(ops, dout, norm, at)
        return dx, {f"{name}.weight": dweight, f"{name}.bias": dbias}

    return out, backward


def softmax(ops: Any, x: Value, record: Record) -> Value:
    """Return the probabilities."""
    parts = ops.softmax(x)
    for name in ("max", "exponentials", "sum"):
        record(f"softmax.{name}", getattr(parts, name))
    return parts.probabilities


class Attention(NamedTuple):
    """What attention's backward pass needs."""

    x: Value
    q: Value
    k: Value
    v: Value
    weights: Value
    changed: Value  # the weights after a change by record, or the same object
    mask: Value
    heads: Value
    merged: Value
    factor: float


def attention(
    ops: Any, x: Value, p: Mapping[str, Value], n_head: int, mask: Value, record: Record
) -> tuple[Value, Backward]:
    """Return the output and the backward pass, a function of dout that returns dx and the parameters' gradients."""
    qkv = ops.linear(x, p["c_attn.weight"], p.get("c_attn.bias"))
    record("qkv", qkv)
    q, k, v = (ops.shaped(qkv, _head_part(n_head, part)) for part in range(3))
    q, k, v = hear(record, "q", q), hear(record, "k", k), hear(record, "v", v)
    factor = 1 / math.sqrt(q.shape[-1])
    scores = ops.matmul(q, ops.shaped(k, _transposed))
    scores = hear(record, "scores", scores)
    scaled = ops.scale(scores, factor)
    record("scaled", scaled)
    masked = ops.causal(scaled)
    record("masked", masked)
    weights = softmax(ops, masked, record)
    changed = hear(record, "weights", weights)
    used = _dropped(ops, changed, mask, "weights_dropout", record)
    heads = ops.matmul(used, v)
    heads = hear(record, "heads", heads)
    merged = hear(record, "merged", ops.shaped(heads, _merged))
    out = ops.linear(merged, p["c_proj.weight"], p.get("c_proj.bias"))
    saved = Attention(x, q, k, v, weights, changed, mask, heads, merged, factor)
    return hear(record, "out", out), lambda dout: _attention_backward(ops, dout, p, saved, record)


def _attention_backward(
    ops: Any, dout: Value, p: Mapping[str, Value], saved: Attention, record: Record
) -> tuple[Value, dict[str, Value]]:
    _, q, k, v, weights, changed, mask, heads, merged, factor = saved
    dout = hear(record, "dout", dout)
    dmerged, dproj, dproj_bias = linear_backward(ops, dout, merged, p["c_proj.weight"], "c_proj.bias" in p)
    dmerged = hear(record, "dmerged", dmerged)
    dheads = hear(record, "dheads", ops.shaped(dmerged, _as_heads(q.shape[1])))
    dused = ops.matmul(dheads, ops.shaped(v, _transposed))
    again = ops.recomputed(weights, q, k, factor)
    used = again if changed is weights else changed
    dv = ops.matmul(ops.shaped(used if mask is None else ops.multiply(used, mask), _transposed), dheads)
    dweights = _dropped(ops, dused, mask, "dweights_dropout", record, before=True)
    dweights = hear(record, "dweights", dweights)
    dmasked = ops.softmax_backward(dweights, again, (dheads, heads))
    record("dmasked", dmasked)
    record("dscaled", dmasked)
    dscores = hear(record, "dscores", ops.scale(dmasked, factor))
    dq, dk = ops.matmul(dscores, k), ops.matmul(ops.shaped(dscores, _transposed), q)
    dq, dk, dv = hear(record, "dq", dq), hear(record, "dk", dk), hear(record, "dv", dv)
    dqkv = ops.concatenate([ops.shaped(part, _merged) for part in (dq, dk, dv)], -1)
    record("dqkv", dqkv)
    dx, dattn, dattn_bias = linear_backward(ops, dqkv, saved.x, p["c_attn.weight"], "c_attn.bias" in p)
    names = ("c_attn.weight", "c_attn.bias", "c_proj.weight", "c_proj.bias")
    return dx, dict(zip(names, (dattn, dattn_bias, dproj, dproj_bias), strict=True))


def feed_forward(ops: Any, x: Value, p: Mapping[str, Value], kind: str, record: Record) -> tuple[Value, Backward]:
    """Return the output and the backward pass, as attention does."""
    hidden = hear(record, "hidden", ops.linear(x, p["c_fc.weight"], p.get("c_fc.bias")))
    parts = ops.activation(hidden, kind)
    for name, value in parts.inner.items():
        record(name, value)
    activated = hear(record, "activated", parts.out)
    out = hear(record, "out", ops.linear(activated, p["c_proj.weight"], p.get("c_proj.bias")))

    def backward(dout: Value) -> tuple[Value, dict[str, Value]]:
        dout = hear(record, "dout", dout)
        dactivated, dproj, dproj_bias = linear_backward(ops, dout, activated, p["c_proj.weight"], "c_proj.bias" in p)
        dactivated = hear(record, "dactivated", dactivated)
        dhidden = hear(record, "dhidden", ops.activation_backward(dactivated, hidden, kind))
        dx, dfc, dfc_bias = linear_backward(ops, dhidden, x, p["c_fc.weight"], "c_fc.bias" in p)
        return dx, {"c_fc.weight": dfc, "c_fc.bias": dfc_bias, "c_proj.weight": dproj, "c_proj.bias": dproj_bias}

    return out, backward


def block(
    ops: Any, x: Value, p: Mapping[str, Value], config: GPTConfig, masks: Mapping[str, Value], record: Record
) -> tuple[Value, Backward]:
    """Return the output and the backward pass, with parameters and masks by their names inside the block."""
    normed, ln_1_back = normalize(ops, x, p, "ln_1", config, record)
    weights_mask = masks.get("attn.weights_dropout")
    attended, attn_back = attention(ops, normed, inside(p, "attn"), config.n_head, weights_mask, scoped(record, "attn"))
    attended = _dropped(ops, attended, masks.get("attn.out_dropout"), "attn.out_dropout", record)
    a = hear(record, "attn.residual", ops.add(x, attended))
    normed, ln_2_back = normalize(ops, a, p, "ln_2", config, record)
    fed, mlp_back = feed_forward(ops, normed, inside(p, "mlp"), config.activation, scoped(record, "mlp"))
    fed = _dropped(ops, fed, masks.get("mlp.out_dropout"), "mlp.out_dropout", record)
    y = hear(record, "mlp.residual", ops.add(a, fed))

    def backward(dout: Value) -> tuple[Value, dict[str, Value]]:
        dout = hear(record, "mlp.dresidual", dout)
        dfed = _dropped(ops, dout, masks.get("mlp.out_dropout"), "mlp.dout_dropout", record, before=True)
        dnormed, dmlp = mlp_back(dfed)
        da, dln_2 = ln_2_back(dnormed)
        da = hear(record, "attn.dresidual", ops.add(da, dout))
        dattended = _dropped(ops, da, masks.get("attn.out_dropout"), "attn.dout_dropout", record, before=True)
        dnormed, dattn = attn_back(dattended)
        dx, dln_1 = ln_1_back(dnormed)
        gradients = dln_1 | dln_2
        for name, part in (("attn", dattn), ("mlp", dmlp)):
            gradients |= {f"{name}.{key}": value for key, value in part.items()}
        return ops.add(dx, da), {key: value for key, value in gradients.items() if value is not None}

    return y, backward


def embedding(ops: Any, tokens: Any, wte: Value, wpe: Value, record: Record) -> Value:
    """Return wte[tokens] + wpe[:T]."""
    token = ops.shaped(wte, lambda a: a[tokens])
    position = ops.shaped(wpe, lambda a: a[: tokens.shape[1]])
    record("token", token)
    record("position", position)
    return hear(record, "sum", ops.add(token, position))


def embedding_backward(ops: Any, dout: Value, tokens: Any, wte: Value, wpe: Value, record: Record) -> Any:
    """Return dwte and dwpe."""
    dout = hear(record, "dsum", dout)
    record("dtoken", dout)
    dposition = ops.total(dout, 0)
    record("dposition", dposition)
    dwpe = ops.scatter_rows(dposition, np.arange(tokens.shape[1]), wpe.shape[0])
    return ops.scatter_rows(dout, tokens, wte.shape[0]), dwpe


def hear(record: Record, name: str, value: Value) -> Value:
    """Return the value to continue with: what ``record`` returns, unless that is None."""
    changed = record(name, value)
    return value if changed is None else changed


def inside(values: Mapping[str, Value], name: str) -> dict[str, Value]:
    """Return what belongs to ``name``, without the prefix."""
    return {key.removeprefix(f"{name}."): v for key, v in values.items() if key.startswith(f"{name}.")}


def _dropped(ops: Any, x: Value, mask: Value, name: str, record: Record, *, before: bool = False) -> Value:
    if mask is None:
        return x
    out = ops.multiply(x, mask)
    record(name, x if before else out)
    return out


def _transposed(a: Any) -> Any:
    return a.swapaxes(-1, -2)


def _head_part(n_head: int, part: int) -> Callable[[Any], Any]:
    def pick(qkv: Any) -> Any:
        width = qkv.shape[-1] // 3
        return _as_heads(n_head)(qkv[..., part * width : (part + 1) * width])

    return pick


def _as_heads(n_head: int) -> Callable[[Any], Any]:
    return lambda a: a.reshape(*a.shape[:2], n_head, -1).swapaxes(1, 2)


def _merged(heads: Any) -> Any:
    merged = heads.swapaxes(1, 2)
    return merged.reshape(*merged.shape[:2], -1)
