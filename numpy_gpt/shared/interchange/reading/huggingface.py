"""A Hugging Face directory of GPT-2: ``config.json``, and the weights as safetensors or as a state dict of torch.

The weights are one file, or several with an index that says which tensor is in which. Matrices are stored (in, out):
GPT-2's layers there are Conv1D.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.json_values import parse_json
from gpt_data.files.regular_file import read_regular
from gpt_data.wording import count_of, describe, quote, show_path
from numpy_gpt.shared.interchange.gpt2_config import Gpt2Config, config_from_gpt2
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel, make_model
from numpy_gpt.shared.interchange.reading.nanogpt import state_dict_of
from numpy_gpt.shared.interchange.reading.parameters import Parameters, read_parameters
from numpy_gpt.shared.interchange.reading.safetensors_file import read_safetensors
from numpy_gpt.shared.interchange.reading.stored_tensor import StoredTensor
from numpy_gpt.shared.interchange.reading.torch_file import read_torch_file
from numpy_gpt.shared.interchange.reading.vocabulary import find_vocabulary

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""The files that may contain the weights, of which the first one that is there is read."""
_LARGEST = 1 << 24  # bytes of a JSON file


def read_config_file(directory: Path) -> dict[str, Any]:
    """Return the content of a directory's ``config.json``.

    Raises
    ------
    UserError
        If it cannot be read or is not an object.
    """
    return _read_json(directory / CONFIG)


def read_huggingface(weights: Path, record: Mapping[str, Any], tokens: str | None) -> ForeignModel:
    """Return the model of a file of weights or its index, and the content of the ``config.json`` next to it.

    Raises
    ------
    UserError
        If the config is not supported, a file is damaged, or the tensors do not fit the config.
    """
    directory = weights.parent
    try:
        described = config_from_gpt2(record)
    except UserError as error:
        raise UserError(f"{show_path(directory / CONFIG)}: {error}") from error
    files = _shards(weights) if weights.suffix == ".json" else [weights]
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for name, tensor in _read_file(file).items():
            if name in tensors:
                raise UserError(f"{show_path(directory)} has {quote(name)} in two of its files; keep one")
            tensors[name] = tensor
    size = sum(file.stat().st_size for file in files)
    read = read_parameters(tensors, described.config, "in, out", weights, size)
    _fold_scales(read, described)
    vocabulary = find_vocabulary(directory, tokens, read.config.vocab_size)
    kind = f"Hugging Face GPT-2, {weights.name}" + (f" and {count_of(len(files), 'part')}" if len(files) > 1 else "")
    return make_model(directory, kind, read, vocabulary, notes=described.notes)


def _fold_scales(read: Parameters, described: Gpt2Config) -> None:
    """Multiply the queries instead of the scores, which this project always divides by √D and by nothing else."""
    width = read.config.n_embd
    for layer, scale in enumerate(described.score_scales):
        for part in ("weight", "bias"):
            if scale != 1:
                read.values[f"h.{layer}.attn.c_attn.{part}"][..., :width] *= scale


def _read_file(path: Path) -> dict[str, StoredTensor]:
    return read_safetensors(path) if path.suffix == ".safetensors" else state_dict_of(read_torch_file(path), path)


def _shards(index: Path) -> list[Path]:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise UserError(f"{show_path(index)} must have a weight_map, the file of each tensor; get the file again")
    for name in places.values():
        if not isinstance(name, str) or Path(name).name != name or name in (".", ".."):
            raise UserError(f"{show_path(index)}: {describe(name)} must be the name of a file next to it")
    return [index.parent / name for name in sorted(set(places.values()))]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = parse_json(read_regular(path, _LARGEST))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{show_path(path)} must be JSON: {error}; get the file again") from error
    if not isinstance(record, dict):
        raise UserError(f"{show_path(path)} must be a JSON object, not {describe(record)}; get the file again")
    return record
