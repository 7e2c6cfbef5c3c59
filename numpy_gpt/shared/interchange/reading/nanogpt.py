"""nanoGPT's ``ckpt.pt``: a dict of ``model`` (the state dict), ``model_args``, ``optimizer``, ``iter_num``, ``config``.

Its linear layers are torch's, whose matrices are stored (out, in). A compiled model's names begin with ``_orig_mod.``,
and versions for old releases of torch also saved the causal mask of each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import describe, show_path
from numpy_gpt.shared.interchange.nanogpt_config import config_from_nanogpt
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel, make_model
from numpy_gpt.shared.interchange.reading.parameters import read_parameters
from numpy_gpt.shared.interchange.reading.stored_tensor import StoredTensor
from numpy_gpt.shared.interchange.reading.vocabulary import find_vocabulary

_NOT_NEEDED = {
    "optimizer": "optimizer: the state of its training, so AdamW starts again",
    "config": "config: the settings of its training",
    "best_val_loss": "best_val_loss",
}


def read_nanogpt(path: Path, saved: Mapping[str, Any], tokens: str | None, kind: str = "nanoGPT") -> ForeignModel:
    """Return the model of a checkpoint whose file contains the dict ``saved``.

    Raises
    ------
    UserError
        If its arguments or tensors are not nanoGPT's, or its vocabulary cannot be read.
    """
    place = show_path(path)
    arguments, step = saved.get("model_args"), saved.get("iter_num", 0)
    tensors = state_dict_of(saved.get("model"), path)
    if not isinstance(arguments, dict) or type(step) is not int or step < 0:
        raise UserError(f"{place} must have model_args, and as iter_num a number of steps, not {describe(step)}")
    try:
        config = config_from_nanogpt(arguments)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    read = read_parameters(tensors, config, "out, in", path, path.stat().st_size)
    settings = saved.get("config")
    dataset = settings.get("dataset") if isinstance(settings, dict) else None
    vocabulary = find_vocabulary(path, tokens, config.vocab_size, dataset if isinstance(dataset, str) else None)
    left_out = [what for name, what in _NOT_NEEDED.items() if name in saved]
    others = sorted(str(name) for name in set(saved) - set(_NOT_NEEDED) - {"model", "model_args", "iter_num"})
    return make_model(path, f"{kind}, {path.name}", read, vocabulary, step=step, left_out=(*left_out, *others))


def state_dict_of(value: Any, path: Path) -> dict[str, StoredTensor]:
    """Return a state dict that was read from a file.

    Raises
    ------
    UserError
        If it is not a dict of tensors.
    """
    if not isinstance(value, dict) or not value:
        raise UserError(f"{show_path(path)} must have a state dict, tensors by name, not {type(value).__name__}")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, StoredTensor):
            raise UserError(f"{show_path(path)}: {describe(name)} must be a tensor, not {type(tensor).__name__}")
    return value
