"""A branch and the residual stream that it joins (§10), forward and backward: attention's and feed-forward's."""

from __future__ import annotations

from typing import Any

from numpy_gpt.golden.operations.linear import rows, transposed
from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Value

BRANCH = Operation("branch")
_STREAM = "B,T,C"


@BRANCH.array("out_dropout", _STREAM, "7.1")
def out_dropout(s: Any) -> Value:
    """Multiply by the mask."""
    return s.o.multiply(s["out"], s.mask("out_dropout"))


def _branch(s: Any) -> Value:
    return s["out"] if s.mask("out_dropout") is None else s["out_dropout"]


@BRANCH.array("residual", _STREAM, "10.1")
def residual(s: Any) -> Value:
    """Add the branch to the stream."""
    return s.o.add(s["stream"], _branch(s))


# Backward.


@BRANCH.array("dresidual", _STREAM, "10.3", BACKWARD)
def dresidual(s: Any) -> Value:
    """Add what came through the next norm and around it; behind the last block there is only the norm."""
    return s.o.add(s["dnorm"], s["dbypass"]) if s.link("dbypass") else s["dnorm"]


@BRANCH.array("dout_dropout", _STREAM, "10.4", BACKWARD)
def dout_dropout(s: Any) -> Value:
    """Pass the gradient on."""
    return s["dresidual"]


@BRANCH.array("dout", _STREAM, "10.4", BACKWARD)
def dout(s: Any) -> Value:
    """Undo the dropout, if any."""
    mask = s.mask("out_dropout")
    return s["dresidual"] if mask is None else s.o.multiply(s["dout_dropout"], mask)


# Mistakes.


def bypass_lost(s: Any) -> Value:
    """Return only what came through the norm."""
    s.require(bool(s.link("dbypass")))
    return s.o.scale(s["dnorm"], 1.0)


BRANCH.mistake(
    "branch.no_stream",
    "the residual connection is forgotten: the branch replaces the stream",
    "10.1",
    {
        "residual": lambda s: s.o.scale(_branch(s), 1.0),
        "dresidual": bypass_lost,
        "embedding:dsum": bypass_lost,
        "embedding_norm:dout": bypass_lost,
    },
)
BRANCH.mistake(
    "branch.no_branch",
    "the branch's result is not added to the stream",
    "10.1",
    {"residual": lambda s: s.o.scale(s["stream"], 1.0)},
)
BRANCH.mistake(
    "branch.normed_stream",
    "the branch is added to its normed input, not to the stream: the residual is taken after the norm",
    "10.1",
    {
        "residual": lambda s: s.o.add(s["normed"], _branch(s)),
        "attention:dx": lambda s: s.o.add(s.right("dx"), s["dstream"]),
        "feed_forward:dx": lambda s: s.o.add(s.right("dx"), s["dstream"]),
        "dresidual": bypass_lost,
        "embedding:dsum": bypass_lost,
        "embedding_norm:dout": bypass_lost,
    },
)
BRANCH.mistake(
    "branch.twice", "the branch is added twice", "10.1", wraps={"residual": lambda s, right: s.o.add(right, _branch(s))}
)
BRANCH.mistake(
    "branch.averaged",
    "stream and branch are averaged, not added",
    "10.1",
    wraps={"residual": lambda s, right: s.o.scale(right, 0.5)},
)


def _normed(s: Any, x: Value) -> Value:
    if s.config.norm == "rms_norm":
        return s.o.rms_norm(x, s.config.layer_norm_epsilon).normalized
    parts = s.o.layer_norm(x, s.config.layer_norm_epsilon, kernel=True)
    scaled = s.o.multiply(parts.normalized, s.at(s.link("norm") + "weight"))
    return s.o.add(scaled, s.at(s.link("norm") + "bias")) if s.config.bias else scaled


def _after_addition(s: Any) -> Any:
    """Return layer norm's arrays for the sum of stream and branch, with which a post-LN block goes on."""
    s.require(bool(s.link("after")))
    x = s.o.add(s.at(s.link("x")), s.at(s.link("after")))
    return s.o.layer_norm(x, s.config.layer_norm_epsilon, kernel=True)


def _flat(s: Any, value: Value) -> Value:
    return s.o.shaped(value, lambda a: a[..., 0])


_POST_NORM = {
    "residual": lambda s: s.o.scale(s.at(s.link("norm") + "out"), 1.0),
    "attention:qkv": lambda s: s.o.linear(s["stream"], s["c_attn.weight"], s.get("c_attn.bias")),
    "feed_forward:hidden": lambda s: s.o.linear(s["stream"], s["c_fc.weight"], s.get("c_fc.bias")),
    "norm:mean": lambda s: _flat(s, _after_addition(s).mean),
    "norm:centered": lambda s: _after_addition(s).centered,
    "norm:variance": lambda s: _flat(s, _after_addition(s).variance),
    "norm:rstd": lambda s: _flat(s, _after_addition(s).rstd),
    "norm:normalized": lambda s: _after_addition(s).normalized,
}
BRANCH.mistake(
    "branch.post_norm",
    "the norm comes after the addition (post-LN), and the branch reads the stream itself",
    "10.1",
    _POST_NORM,
)
BRANCH.mistake(
    "branch.post_norm",
    "the norm comes after the addition (post-LN), and the branch reads the stream itself",
    "10.1",
    {
        "residual": lambda s: _normed(s, s.o.add(s["stream"], _branch(s))),
        "attention:qkv": _POST_NORM["attention:qkv"],
        "feed_forward:hidden": _POST_NORM["feed_forward:hidden"],
    },
)


# Post-LN again, where a port calls the sum the residual, and what its norm gives the stream.


def _streamed(name: str) -> str:
    """Return the name of the stream behind the norm: h.0.mlp.residual → h.0.ln_2.out."""
    return name.replace("attn.residual", "ln_1.out").replace("mlp.residual", "ln_2.out")


def _stream_of(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    return s.at(_streamed(s.link("stream")))


def _norm_of_sum(s: Any) -> Any:
    place = s.node.plain
    after = place.rsplit(".", 2)[0] + (".attn.residual" if ".ln_1." in place else ".mlp.residual")
    x = s.at(_streamed(s.link("x"))) if place.startswith("ln_f.") else s.at(after)
    return s.o.layer_norm(x, s.config.layer_norm_epsilon, kernel=True)


def _into_block(s: Any, layer: int) -> Value:
    """Return the gradient of the stream that enters a layer."""
    s.require(s.config.norm == "layer_norm")
    if layer == s.config.n_layer:
        return s.at("ln_f.dx")
    weight = s.o.shaped(s.at(f"h.{layer}.attn.c_attn.weight"), transposed)
    return s.o.add(s.o.matmul(s.at(f"h.{layer}.attn.dqkv"), weight), s.at(f"h.{layer}.attn.dresidual"))


def _outer(s: Any, dout: str) -> Value:
    return s.o.matmul(s.o.shaped(s.o.shaped(_stream_of(s), rows), transposed), s.o.shaped(s[dout], rows))


def _at_branch(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    return s.o.scale(s.at(s.link("norm") + "dx"), 1.0)


def _middle_gradient(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    at = f"h.{s.node.place.layer}."
    weight = s.o.shaped(s.at(f"{at}mlp.c_fc.weight"), transposed)
    return s.o.add(s.o.matmul(s.at(f"{at}mlp.dhidden"), weight), s.at(f"{at}ln_2.dx"))


BRANCH.mistake(
    "branch.post_norm",
    "the norm comes after the addition (post-LN), and the branch reads the stream itself",
    "10.1",
    {
        "residual": lambda s: s.o.add(_stream_of(s), _branch(s)),
        "attention:qkv": lambda s: s.o.linear(_stream_of(s), s["c_attn.weight"], s.get("c_attn.bias")),
        "feed_forward:hidden": lambda s: s.o.linear(_stream_of(s), s["c_fc.weight"], s.get("c_fc.bias")),
        "norm:mean": lambda s: _flat(s, _norm_of_sum(s).mean),
        "norm:centered": lambda s: _norm_of_sum(s).centered,
        "norm:variance": lambda s: _flat(s, _norm_of_sum(s).variance),
        "norm:rstd": lambda s: _flat(s, _norm_of_sum(s).rstd),
        "norm:normalized": lambda s: _norm_of_sum(s).normalized,
        "dresidual": _at_branch,
        "feed_forward:dx": lambda s: _into_block(s, s.node.place.layer + 1),
        "feed_forward:c_fc.dweight": lambda s: _outer(s, "dhidden"),
        "attention:dx": _middle_gradient,
        "attention:c_attn.dweight": lambda s: _outer(s, "dqkv"),
        "embedding:dsum": lambda s: _into_block(s, 0),
    },
)
BRANCH.mistake(
    "branch.norm_of_branch",
    "the branch's result is normed before it is added",
    "10.1",
    {
        "residual": lambda s: s.o.add(s["stream"], _normed(s, _branch(s))),
        "attention:qkv": lambda s: s.o.linear(s["stream"], s["c_attn.weight"], s.get("c_attn.bias")),
        "feed_forward:hidden": lambda s: s.o.linear(s["stream"], s["c_fc.weight"], s.get("c_fc.bias")),
    },
)


def _parallel(s: Any) -> Value:
    s.require(s.config.norm == "layer_norm")
    parts = s.o.layer_norm(s["earlier"], s.config.layer_norm_epsilon, kernel=True)
    prefix = s.link("x").removesuffix("out")
    x = s.o.multiply(parts.normalized, s.at(prefix + "weight"))
    x = s.o.add(x, s.at(prefix + "bias")) if s.config.bias else x
    return s.o.linear(x, s["c_fc.weight"], s.get("c_fc.bias"))


BRANCH.mistake(
    "branch.parallel",
    "attention and feed-forward run in parallel: the second norm reads the block's input",
    "10.2",
    {"feed_forward:hidden": _parallel},
)
BRANCH.mistake(
    "branch.bypass_lost",
    "the gradient that goes around the norm is lost: only the branch passes it back",
    "10.3",
    {
        "dresidual": bypass_lost,
        "embedding:dsum": bypass_lost,
        "embedding_norm:dout": bypass_lost,
    },
)


def _bypass_only(s: Any) -> Value:
    s.require(bool(s.link("dbypass")))
    return s.o.scale(s["dbypass"], 1.0)


BRANCH.mistake(
    "branch.branch_gradient_lost",
    "the gradient through the branch is lost: only the bypass passes it back",
    "10.3",
    {"dresidual": _bypass_only, "embedding:dsum": _bypass_only, "embedding_norm:dout": _bypass_only},
)
BRANCH.mistake(
    "branch.bypass_twice",
    "the gradient that goes around the norm is added twice",
    "10.3",
    {
        "dresidual": lambda s: s.o.add(dresidual(s), _bypass_only(s)),
        "embedding:dsum": lambda s: s.o.add(dresidual(s), _bypass_only(s)),
        "embedding_norm:dout": lambda s: s.o.add(dresidual(s), _bypass_only(s)),
    },
)
