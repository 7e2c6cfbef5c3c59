"""The shape of a GPT: everything that decides which numbers a model has and how they are combined."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

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
        for name, least in (("vocab_size", 1), ("block_size", 1), ("n_layer", 0), ("n_head", 1), ("n_embd", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if self.n_embd % self.n_head:
            raise UserError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}; try {self._nearest_widths()}"
            )
        if self.activation not in ACTIVATIONS:
            raise UserError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {self.activation!r}")
        for name in ("bias", "tie_weights"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise UserError(f"dropout must lie in [0, 1), not {self.dropout!r}; 1 would drop everything")
        if not _is_number(self.layer_norm_epsilon) or not 0 < self.layer_norm_epsilon < float("inf"):
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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GPTConfig:
        """Return the config that ``dataclasses.asdict`` wrote.

        Raises
        ------
        UserError
            If a field is missing, unknown or out of its range.
        """
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UserError(f"unknown config field {unknown[0]!r}; known are {', '.join(sorted(known))}")
        try:
            return cls(**values)
        except TypeError as error:
            raise UserError(f"the config is incomplete: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
