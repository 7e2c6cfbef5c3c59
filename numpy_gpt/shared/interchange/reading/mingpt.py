"""minGPT's ``model.pt``, a bare state dict, with the ``config.json`` that its ``setup_logging`` writes next to it.

The file of the weights does not say how many heads the model has; config.json has either the sizes or the name of one
of minGPT's, in ``model``. It is written before the text is read, so its vocab_size and block_size may be null: they are
then the numbers of rows of the embeddings. The model has biases, an own head, tanh GELU, and matrices (out, in).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import describe, show_path
from numpy_gpt.shared.interchange.gpt2_config import single_dropout
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel, make_model
from numpy_gpt.shared.interchange.reading.nanogpt import state_dict_of
from numpy_gpt.shared.interchange.reading.parameters import read_parameters
from numpy_gpt.shared.interchange.reading.vocabulary import find_vocabulary
from numpy_gpt.shared.model.config import GPTConfig

_SIZES = {  # n_layer, n_head, n_embd
    "openai-gpt": (12, 12, 768),
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
    "gopher-44m": (8, 16, 512),
    "gpt-mini": (6, 6, 192),
    "gpt-micro": (4, 4, 128),
    "gpt-nano": (3, 3, 48),
}
_NAMES = ("n_layer", "n_head", "n_embd")
_ROWS = {"vocab_size": "wte.weight", "block_size": "wpe.weight"}
_DROPOUTS = ("embd_pdrop", "resid_pdrop", "attn_pdrop")


def is_mingpt(record: Mapping[str, Any]) -> bool:
    """Return whether a ``config.json`` is minGPT's."""
    return isinstance(record.get("model"), dict)


def read_mingpt(path: Path, record: Mapping[str, Any], saved: Any, tokens: str | None) -> ForeignModel:
    """Return the model of a file that contains the state dict ``saved``, with this ``config.json``.

    Raises
    ------
    UserError
        If the config or the tensors are not minGPT's, or the vocabulary cannot be read.
    """
    tensors = state_dict_of(saved, path)
    model = record["model"]
    rates = {name: model.get(name, 0.1) for name in _DROPOUTS}
    rows = {
        size: tensor.shape[0]
        for size, name in _ROWS.items()
        for full, tensor in tensors.items()
        if full.endswith(f"transformer.{name}") and tensor.shape
    }
    try:
        if not all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates.values()):
            raise UserError(f"model.embd_pdrop, resid_pdrop and attn_pdrop must be numbers, not {describe(rates)}")
        dropout, note = single_dropout(rates)
        sizes: dict[str, Any] = {
            name: model.get(name) if model.get(name) is not None else rows.get(name) for name in _ROWS
        }
        config = GPTConfig(**sizes, **_block_sizes(model), tie_weights=False, dropout=dropout)
    except UserError as error:
        raise UserError(f"{show_path(path.parent / 'config.json')}: {error}") from error
    read = read_parameters(tensors, config, "out, in", path, path.stat().st_size)
    vocabulary = find_vocabulary(path, tokens, config.vocab_size)
    return make_model(path, f"minGPT, {path.name}", read, vocabulary, notes=(note,) if note else ())


def _block_sizes(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes that are given, or those of the name that is given; minGPT requires exactly one of the two."""
    given = {name: model.get(name) for name in _NAMES}
    kind = model.get("model_type")
    if None not in given.values():
        return given
    if not isinstance(kind, str) or kind not in _SIZES or any(value is not None for value in given.values()):
        raise UserError(
            f"model must have n_layer, n_head and n_embd, or only model_type, one of {', '.join(_SIZES)}, "
            f"not {describe(kind)}"
        )
    return dict(zip(_NAMES, _SIZES[kind], strict=True))
