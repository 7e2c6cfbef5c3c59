"""The configuration of a model: everything that determines its parameters and how they are used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, get_args, get_type_hints

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu")
NORMS = ("layer_norm", "rms_norm")
MOST_LAYERS = 10_000
"""Ten times the depth of the deepest transformer that was ever trained (Wang et al. 2022)."""
MOST_NUMBERS = 1 << 60
"""Numbers of 8 bytes in an array that fills the address space of 2⁶³ bytes."""


def config_field(text: str, **options: Any) -> Any:
    """Return a dataclass field with its help text, so that flags and documentation cannot differ."""
    return field(metadata={"help": text}, **options)


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The architecture of a GPT, with nanoGPT's names; every field is checked on construction.

    Raises
    ------
    UserError
        If a field is out of range, ``n_embd`` is not a multiple of ``n_head``, or the model has more than
        ``MOST_LAYERS`` blocks or ``MOST_NUMBERS`` parameters.
    """

    vocab_size: int = config_field("tokens in the vocabulary (V)")
    block_size: int = config_field("positions that the model can see (the context)")
    n_layer: int = config_field("transformer blocks")
    n_head: int = config_field("attention heads in each block (H)")
    n_embd: int = config_field("width of the residual stream (C)")
    bias: bool = config_field("biases in linear layers and layer norms", default=True)
    tie_weights: bool = config_field("one matrix for token embedding and output head", default=True)
    activation: str = config_field(f"one of {', '.join(ACTIVATIONS)}", default="gelu_tanh")
    dropout: float = config_field("probability of dropping a value in training", default=0.0)
    layer_norm_epsilon: float = config_field(
        "added to the variance in layer norm, to the mean square in RMSNorm", default=1e-5
    )
    norm: str = config_field(
        "layer_norm, GPT-2's; or rms_norm, microgpt's: without weights, after the embeddings and not before the head",
        default="layer_norm",
    )

    def __post_init__(self) -> None:
        use_builtin_numbers(self)
        for name, least in (("vocab_size", 1), ("block_size", 1), ("n_layer", 0), ("n_head", 1), ("n_embd", 1)):
            whole_number(name, getattr(self, name), least)
        check_types(self)
        if self.n_layer > MOST_LAYERS:
            reason = "each block has up to 12 tensors, and each of them a name"
            raise UserError(f"n_layer must be at most {MOST_LAYERS:,}, not {describe(self.n_layer)}: {reason}")
        _check_parameter_count(self)
        if self.n_embd % self.n_head:
            raise UserError(
                f"n_embd={describe(self.n_embd)} is not divisible by n_head={describe(self.n_head)}; "
                f"try {self._nearest_widths()}"
            )
        if self.activation not in ACTIVATIONS:
            raise UserError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {describe(self.activation)}")
        if self.norm not in NORMS:
            raise UserError(f"norm must be one of {', '.join(NORMS)}, not {describe(self.norm)}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must lie in [0, 1), not {self.dropout!r}; 1 would drop everything")
        if not 0 < self.layer_norm_epsilon < float("inf"):
            raise UserError(f"layer_norm_epsilon must be positive and finite, not {self.layer_norm_epsilon!r}")

    def _nearest_widths(self) -> str:
        below = self.n_embd - self.n_embd % self.n_head
        return " or ".join(describe(width) for width in (below, below + self.n_head) if width)

    @property
    def head_size(self) -> int:
        """D = C / H, the width of one attention head."""
        return self.n_embd // self.n_head

    @property
    def has_embedding_norm(self) -> bool:
        """Whether the embeddings are normalized before the first block, and then the head's input is not."""
        return self.norm == "rms_norm"

    @property
    def n_hidden(self) -> int:
        """F = 4·C, the width of the feed-forward network's hidden layer, as in GPT-2."""
        return 4 * self.n_embd

    @property
    def parameter_count(self) -> int:
        """The number of parameters, from the sizes alone: no tensor is named, however many there are."""
        c, f = self.n_embd, self.n_hidden
        norm = 0 if self.norm == "rms_norm" else 2 * c if self.bias else c
        matrices = 4 * c * c + 2 * c * f  # of a block: attention and feed-forward
        biases = 4 * c + f + c if self.bias else 0
        tables = self.vocab_size * (1 if self.tie_weights else 2) + self.block_size
        return tables * c + self.n_layer * (matrices + biases + 2 * norm) + norm


@dataclass(frozen=True, kw_only=True)
class BigramConfig:
    """A bigram model: one table (V, V) whose row for a token contains the logits of the next one.

    ``block_size`` is only the length of the training windows; the model itself sees only the last position.

    Raises
    ------
    UserError
        If a field is not a whole number of at least 1, or the model has more than ``MOST_NUMBERS`` parameters.
    """

    vocab_size: int = config_field("tokens in the vocabulary (V)")
    block_size: int = config_field("length of the training windows")

    def __post_init__(self) -> None:
        use_builtin_numbers(self)
        for name in ("vocab_size", "block_size"):
            whole_number(name, getattr(self, name), 1)
        _check_parameter_count(self)

    @property
    def parameter_count(self) -> int:
        """The number of parameters: one table."""
        return self.vocab_size**2

    @property
    def dropout(self) -> float:
        """A bigram model has no dropout."""
        return 0.0


def _check_parameter_count(config: ModelConfig) -> None:
    for name, number in (("block_size", config.block_size), ("the number of parameters", config.parameter_count)):
        if number > MOST_NUMBERS:
            remedy = "are vocab_size, block_size, n_layer and n_embd as intended?"
            raise UserError(
                f"{name} must be at most 2⁶⁰, not {describe(number)}: no array has room for more numbers; {remedy}"
            )


ModelConfig = GPTConfig | BigramConfig
KINDS: dict[str, type[GPTConfig] | type[BigramConfig]] = {"gpt": GPTConfig, "bigram": BigramConfig}


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Return the config as plain values, for JSON; ``kind`` and ``norm`` are omitted for a GPT with layer norm.

    ``kind`` names the kind of model.
    """
    kind = next(kind for kind, config_type in KINDS.items() if isinstance(config, config_type))
    values = ({} if kind == "gpt" else {"kind": kind}) | asdict(config)
    if values.get("norm") == "layer_norm":
        del values["norm"]
    return values


def config_from_dict(values: Mapping[str, Any]) -> ModelConfig:
    """Return the config that ``config_to_dict`` converted.

    Raises
    ------
    UserError
        If the values are not a mapping, the kind or a field is unknown, or a field is missing or out of range.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"a config must be an object with named fields, not {describe(values)}")
    rest = dict(values)
    kind = rest.pop("kind", "gpt")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"the kind of a model must be one of {', '.join(KINDS)}, not {describe(kind)}")
    known = {item.name for item in fields(KINDS[kind])}
    if unknown := sorted(set(rest) - known, key=str):
        raise UserError(f"unknown config field {describe(unknown[0])}; known: {', '.join(sorted(known))}")
    try:
        return KINDS[kind](**rest)
    except TypeError as error:
        raise UserError(f"the config is incomplete: {error}") from error


TYPE_NAMES = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}


def field_types(config: type) -> dict[str, tuple[type, ...]]:
    """Return the types allowed for each field of a config, including NoneType for an optional field."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(config).items()}


def has_type(value: Any, types: tuple[type, ...]) -> bool:
    """Return whether a value has one of the types; a whole number is also a float, but True is not a number."""
    allowed = (*types, int) if float in types else types
    return isinstance(value, allowed) and (bool in types or not isinstance(value, bool))


def use_builtin_numbers(config: Any) -> None:
    """Convert other numbers in a config under construction, such as NumPy's, to Python's own, which JSON can store."""
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, Real) and type(value).__module__ != "builtins":
            try:
                plain = int(value) if isinstance(value, Integral) else float(value)
            except OverflowError:  # a fraction above the largest float: check_types refuses it
                continue
            object.__setattr__(config, item.name, plain)  # the only way to set a field of a frozen dataclass


def check_types(config: Any) -> None:
    """Check that every field has a value of its type; a whole number too large for a float is not a number.

    Raises
    ------
    UserError
        If a field has a value of another type.
    """
    for name, types in field_types(type(config)).items():
        value = getattr(config, name)
        if not has_type(value, types):
            raise UserError(f"{name} must be {TYPE_NAMES[types[0]]}, not {describe(value)}")
        if float in types and isinstance(value, int) and abs(value) > sys.float_info.max:
            raise UserError(f"{name} must be a number of at most {sys.float_info.max:.2g}, the largest float")
