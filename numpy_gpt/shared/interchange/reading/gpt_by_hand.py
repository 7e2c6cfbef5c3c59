"""GPT-by-Hand's ``ckpt.pt``: nanoGPT's, with other names for the arguments and for the parameters of layer norm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel
from numpy_gpt.shared.interchange.reading.nanogpt import read_nanogpt, state_dict_of

_ARGUMENTS = {
    "seq_length": "block_size",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "dim_embedding": "n_embd",
    "dropout_rate": "dropout",
    "use_bias": "bias",
}
_SUFFIXES = {".gamma": ".weight", ".beta": ".bias"}


def is_gpt_by_hand(saved: Mapping[str, Any]) -> bool:
    """Return whether the arguments of a checkpoint are GPT-by-Hand's."""
    arguments = saved.get("model_args")
    return isinstance(arguments, dict) and "dim_embedding" in arguments


def read_gpt_by_hand(path: Path, saved: Mapping[str, Any], tokens: str | None) -> ForeignModel:
    """Return the model of a checkpoint whose file contains the dict ``saved``.

    Raises
    ------
    UserError
        As ``read_nanogpt``.
    """
    arguments = {_ARGUMENTS.get(name, name): value for name, value in saved["model_args"].items()}
    tensors = {_rename(name): tensor for name, tensor in state_dict_of(saved.get("model"), path).items()}
    return read_nanogpt(path, {**saved, "model": tensors, "model_args": arguments}, tokens, "GPT-by-Hand")


def _rename(name: str) -> str:
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    return f"{name.removesuffix(suffix)}{_SUFFIXES[suffix]}" if suffix else name
