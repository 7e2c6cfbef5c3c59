"""The one list of names: every parameter, activation and gradient with its shape, in order of computation.

Parameters carry GPT-2's own names, and activations carry names of the same kind. Both twins, the hand calculation and
the tests all use these lists, so that a name means the same array everywhere.

Axis letters: B batch, T query time, S key time, C channels, H heads, D = C/H, F hidden, V vocabulary.
"""

from __future__ import annotations

from functools import lru_cache

from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig

Shape = tuple[int, ...]


def parameter_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Return every parameter's name and shape, in order of computation.

    Matrices are stored (in, out) and used as ``x @ w + b``. The output head is stored (V, C), as in GPT-2's own
    checkpoints: if tied, it *is* ``wte.weight``; if untied, ``lm_head.weight`` has the same shape.
    A bigram model has one tensor, the table of logits, which is a token embedding as wide as the vocabulary.
    """
    if isinstance(config, BigramConfig):
        return {"wte.weight": (config.vocab_size, config.vocab_size)}
    width, hidden = config.n_embd, config.n_hidden
    shapes: dict[str, Shape] = {
        "wte.weight": (config.vocab_size, width),
        "wpe.weight": (config.block_size, width),
    }
    for layer in range(config.n_layer):
        shapes |= {
            **_norm_parameters(config, f"h.{layer}.ln_1"),
            f"h.{layer}.attn.c_attn.weight": (width, 3 * width),
            f"h.{layer}.attn.c_attn.bias": (3 * width,),
            f"h.{layer}.attn.c_proj.weight": (width, width),
            f"h.{layer}.attn.c_proj.bias": (width,),
            **_norm_parameters(config, f"h.{layer}.ln_2"),
            f"h.{layer}.mlp.c_fc.weight": (width, hidden),
            f"h.{layer}.mlp.c_fc.bias": (hidden,),
            f"h.{layer}.mlp.c_proj.weight": (hidden, width),
            f"h.{layer}.mlp.c_proj.bias": (width,),
        }
    shapes |= {**_norm_parameters(config, "ln_f"), "lm_head.weight": (config.vocab_size, width)}
    if not config.bias:
        shapes = {name: shape for name, shape in shapes.items() if not name.endswith(".bias")}
    if config.tie_weights:
        del shapes["lm_head.weight"]
    return shapes


def _norm_parameters(config: GPTConfig, prefix: str) -> dict[str, Shape]:
    """Return the weight and bias of a layer norm; RMSNorm has none here."""
    width = config.n_embd
    return {} if config.norm == "rms_norm" else {f"{prefix}.weight": (width,), f"{prefix}.bias": (width,)}


def parameter_count(config: ModelConfig) -> int:
    """Return the number of the model's parameters."""
    return config.parameter_count


def activation_shapes(config: ModelConfig, batch: int, time: int, *, dropout: bool = False) -> dict[str, Shape]:
    """Return every activation's name and shape, in order of computation.

    With ``dropout`` the list includes the output of each dropout. ``losses`` and ``loss`` exist only if there are
    targets.
    """
    if isinstance(config, BigramConfig):
        return _head_shapes(batch, time, config.vocab_size)
    b, t, c = batch, time, config.n_embd
    shapes: dict[str, Shape] = {
        "embedding.token": (b, t, c),
        "embedding.position": (t, c),
        "embedding.sum": (b, t, c),
        "embedding.dropout": (b, t, c),
    }
    if config.has_embedding_norm:
        shapes |= _norm_shapes(config, "embedding.norm", b, t)
    for layer in range(config.n_layer):
        shapes |= {f"h.{layer}.{name}": shape for name, shape in _block_shapes(config, b, t).items()}
    if not config.has_embedding_norm:
        shapes |= _norm_shapes(config, "ln_f", b, t)
    shapes |= _head_shapes(b, t, config.vocab_size)
    if not dropout:
        shapes = {name: shape for name, shape in shapes.items() if not name.endswith("dropout")}
    return shapes


def _head_shapes(b: int, t: int, v: int) -> dict[str, Shape]:
    return {
        "logits": (b, t, v),
        **_softmax_shapes("softmax", (b, t, v)),
        "probabilities": (b, t, v),
        "losses": (b, t),
        "loss": (),
    }


def _block_shapes(config: GPTConfig, b: int, t: int) -> dict[str, Shape]:
    c, f, heads, scores = config.n_embd, config.n_hidden, config.n_head, (b, config.n_head, t, t)
    per_head = (b, heads, t, config.head_size)
    return {
        **_norm_shapes(config, "ln_1", b, t),
        "attn.qkv": (b, t, 3 * c),
        "attn.q": per_head,
        "attn.k": per_head,
        "attn.v": per_head,
        "attn.scores": scores,
        "attn.scaled": scores,
        "attn.masked": scores,
        **_softmax_shapes("attn.softmax", scores),
        "attn.weights": scores,
        "attn.weights_dropout": scores,
        "attn.heads": per_head,
        "attn.merged": (b, t, c),
        "attn.out": (b, t, c),
        "attn.out_dropout": (b, t, c),
        "attn.residual": (b, t, c),
        **_norm_shapes(config, "ln_2", b, t),
        "mlp.hidden": (b, t, f),
        **{name: (b, t, f) for name in _ACTIVATION_NAMES[config.activation]},
        "mlp.activated": (b, t, f),
        "mlp.out": (b, t, c),
        "mlp.out_dropout": (b, t, c),
        "mlp.residual": (b, t, c),
    }


_ACTIVATION_NAMES = {
    "gelu_tanh": ("mlp.gelu.argument", "mlp.gelu.tanh"),
    "gelu_erf": ("mlp.gelu.erf",),
    "relu": (),
}


def _norm_shapes(config: GPTConfig, prefix: str, b: int, t: int) -> dict[str, Shape]:
    per_row, per_channel = (b, t), (b, t, config.n_embd)
    if config.norm == "rms_norm":
        shapes = {"mean_square": per_row, "rrms": per_row, "out": per_channel}
    else:
        shapes = {
            "mean": per_row,
            "centered": per_channel,
            "variance": per_row,
            "rstd": per_row,
            "normalized": per_channel,
            "out": per_channel,
        }
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def _softmax_shapes(prefix: str, shape: Shape) -> dict[str, Shape]:
    return {f"{prefix}.max": shape[:-1], f"{prefix}.exponentials": shape, f"{prefix}.sum": shape[:-1]}


_CHANGEABLE = ("embedding.sum", "embedding.norm.out", "ln_f.out", "logits")
_CHANGEABLE_IN_BLOCK = (
    "ln_1.out",
    "attn.q",
    "attn.k",
    "attn.v",
    "attn.scores",
    "attn.weights",
    "attn.heads",
    "attn.merged",
    "attn.out",
    "attn.residual",
    "ln_2.out",
    "mlp.hidden",
    "mlp.activated",
    "mlp.out",
    "mlp.residual",
)


@lru_cache(maxsize=16)
def changeable_names(config: ModelConfig) -> tuple[str, ...]:
    """Return the activations that a ``record`` may change, in order of computation.

    They are what one layer hands to the next, and the parts of attention; not what is inside layer norm, softmax and
    GELU, whose backward passes rely on how these values belong together.
    """
    shapes = activation_shapes(config, 1, 1)
    return tuple(name for name in shapes if name in _CHANGEABLE or name.split(".", 2)[-1] in _CHANGEABLE_IN_BLOCK)


def describe_changeable(config: ModelConfig) -> str:
    """Return the changeable activations for a message: those of the blocks once."""
    if isinstance(config, BigramConfig):
        return "logits"
    blocks = f"h.N.{{{', '.join(_CHANGEABLE_IN_BLOCK)}}}, N from 0 to {config.n_layer - 1}"
    names = [name for name in changeable_names(config) if name in _CHANGEABLE]
    first_after = next(place for place, name in enumerate(names) if not name.startswith("embedding."))
    return ", ".join([*names[:first_after], *([blocks] if config.n_layer else []), *names[first_after:]])


def gradient_name(name: str) -> str:
    """Return the name of ∂loss/∂name: a d before its last part, ``h.0.attn.q`` → ``h.0.attn.dq``."""
    scope, dot, last = name.rpartition(".")
    return f"{scope}{dot}d{last}"


def use_shapes(config: ModelConfig, batch: int, time: int) -> dict[str, Shape]:
    """Return the name and shape of each use whose share of a gradient has a name of its own, in order of computation.

    ``h.0.ln_1.x`` is the residual stream as this norm reads it: ``h.0.ln_1.dx`` is what comes back through the norm,
    before what bypassed it is added. ``embedding.weight`` and ``head.weight`` are a tied matrix in its two places:
    their gradients add up to ``wte.dweight``. A use is no activation, because its value has a name already.
    """
    if isinstance(config, BigramConfig):
        return {}
    norms = [f"h.{layer}.{norm}" for layer in range(config.n_layer) for norm in ("ln_1", "ln_2")]
    norms = ["embedding.norm", *norms] if config.has_embedding_norm else [*norms, "ln_f"]
    shapes: dict[str, Shape] = {f"{norm}.x": (batch, time, config.n_embd) for norm in norms}
    if not config.tie_weights:
        return shapes
    matrix = config.vocab_size, config.n_embd
    return {EMBEDDING_USE: matrix, **shapes, HEAD_USE: matrix}


EMBEDDING_USE, HEAD_USE = "embedding.weight", "head.weight"
"""A tied matrix in its two uses: as token embedding and as output head."""


def is_use(name: str) -> bool:
    """Return whether a name, which may lack its scope, is one of ``use_shapes``."""
    return name in (EMBEDDING_USE, HEAD_USE) or name.rpartition(".")[2] == "x"


def dropout_shapes(config: ModelConfig, batch: int, time: int) -> dict[str, Shape]:
    """Return the name and shape of each dropout mask, in order of computation; a dropout's output has the same name."""
    shapes = activation_shapes(config, batch, time, dropout=True)
    return {name: shape for name, shape in shapes.items() if name.endswith("dropout")}
