"""The shape of a model: everything that decides which numbers it has and how they are combined."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, get_args, get_type_hints

from gpt_data.checks import whole_number
from gpt_data.errors import UserError

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu")


def described(text: str, **options: Any) -> Any:
    """Return a dataclass field that carries its own help text, so that flags and documentation cannot differ."""
    return field(metadata={"help": text}, **options)


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The architecture of one GPT, with nanoGPT's names; every field is checked when it is made.

    Raises
    ------
    UserError
        If a field is out of its range or ``n_embd`` is not a multiple of ``n_head``.
    """

    vocab_size: int = described("tokens in the vocabulary (V)")
    block_size: int = described("positions that the model can see (the context)")
    n_layer: int = described("transformer blocks")
    n_head: int = described("attention heads in each block (H)")
    n_embd: int = described("width of the residual stream (C)")
    bias: bool = described("biases in linear layers and layer norms", default=True)
    tie_weights: bool = described("one matrix for token embedding and output head", default=True)
    activation: str = described(f"one of {', '.join(ACTIVATIONS)}", default="gelu_tanh")
    dropout: float = described("probability of dropping a value in training", default=0.0)
    layer_norm_epsilon: float = described("added to the variance in layer norm", default=1e-5)

    def __post_init__(self) -> None:
        make_plain(self)
        for name, least in (("vocab_size", 1), ("block_size", 1), ("n_layer", 0), ("n_head", 1), ("n_embd", 1)):
            whole_number(name, getattr(self, name), least)
        check_kinds(self)
        if self.n_embd % self.n_head:
            raise UserError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}; try {self._nearest_widths()}"
            )
        if self.activation not in ACTIVATIONS:
            raise UserError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {self.activation!r}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must lie in [0, 1), not {self.dropout!r}; 1 would drop everything")
        if not 0 < self.layer_norm_epsilon < float("inf"):
            raise UserError(f"layer_norm_epsilon must be positive and finite, not {self.layer_norm_epsilon!r}")

    def _nearest_widths(self) -> str:
        below = self.n_embd - self.n_embd % self.n_head
        return " or ".join(str(width) for width in (below, below + self.n_head) if width)

    @property
    def head_size(self) -> int:
        """D = C / H, the width of one attention head."""
        return self.n_embd // self.n_head

    @property
    def n_hidden(self) -> int:
        """F = 4·C, the width of the feed-forward network's hidden layer, as in GPT-2."""
        return 4 * self.n_embd


@dataclass(frozen=True, kw_only=True)
class BigramConfig:
    """A bigram model: one table (V, V) whose row of a token holds the logits of the next one.

    ``block_size`` says only how long the windows are that it is trained on; no position but the last is looked at.

    Raises
    ------
    UserError
        If a field is not a whole number of at least 1.
    """

    vocab_size: int = described("tokens in the vocabulary (V)")
    block_size: int = described("length of the training windows")

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("vocab_size", "block_size"):
            whole_number(name, getattr(self, name), 1)

    @property
    def dropout(self) -> float:
        """A bigram model has no dropout."""
        return 0.0


ModelConfig = GPTConfig | BigramConfig
KINDS: dict[str, type[GPTConfig] | type[BigramConfig]] = {"gpt": GPTConfig, "bigram": BigramConfig}


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Return the config as plain values, for JSON; ``kind`` says what model it is, and is left out for a GPT."""
    kind = next(kind for kind, made in KINDS.items() if isinstance(config, made))
    return ({} if kind == "gpt" else {"kind": kind}) | asdict(config)


def config_from_dict(values: Mapping[str, Any]) -> ModelConfig:
    """Return the config that ``config_to_dict`` wrote.

    Raises
    ------
    UserError
        If the kind or a field is unknown, a field is missing, or out of its range.
    """
    rest = dict(values)
    kind = rest.pop("kind", "gpt")
    if kind not in KINDS:
        raise UserError(f"the kind of a model must be one of {', '.join(KINDS)}, not {kind!r:.60}")
    known = {item.name for item in fields(KINDS[kind])}
    if unknown := sorted(set(rest) - known):
        raise UserError(f"unknown config field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return KINDS[kind](**rest)
    except TypeError as error:
        raise UserError(f"the config is incomplete: {error}") from error


TYPE_NAMES = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}


def kinds_of(config: type) -> dict[str, tuple[type, ...]]:
    """Return the types that each field of a config may have, NoneType among them where it may be left open."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(config).items()}


def make_plain(config: Any) -> None:
    """Turn numbers of other types, such as NumPy's, into Python's own, which JSON can hold, while a config is made."""
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, Real) and type(value).__module__ != "builtins":
            plain = int(value) if isinstance(value, Integral) else float(value)
            object.__setattr__(config, item.name, plain)  # which a frozen one allows only so


def check_kinds(config: Any) -> None:
    """Say which field has a value of the wrong type: a whole number that a float can hold is a number, True is not.

    Raises
    ------
    UserError
        If one has.
    """
    for name, kinds in kinds_of(type(config)).items():
        value = getattr(config, name)
        allowed = (*kinds, int) if float in kinds else kinds
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
            raise UserError(f"{name} must be {TYPE_NAMES[kinds[0]]}, not {value!r:.60}")
        if float in kinds and isinstance(value, int) and abs(value) > sys.float_info.max:
            raise UserError(f"{name} must be a number of at most {sys.float_info.max:.2g}, the largest float")
