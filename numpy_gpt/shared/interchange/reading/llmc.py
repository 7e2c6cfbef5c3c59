"""llm.c's model file, such as ``gpt2_124M.bin``, of float32 (version 3) or bfloat16 (version 5)."""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import show_path
from numpy_gpt.shared.interchange.layouts import is_transposed
from numpy_gpt.shared.interchange.llmc_format import (
    BFLOAT16_VERSION,
    FLOAT32_VERSION,
    HEADER_BYTES,
    MAGIC,
    config_from_header,
    names_in_order,
)
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel, make_model
from numpy_gpt.shared.interchange.reading.parameters import read_parameters
from numpy_gpt.shared.interchange.reading.stored_tensor import Bytes, StoredTensor, map_file, numbers_at
from numpy_gpt.shared.interchange.reading.vocabulary import find_vocabulary
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes

_KINDS = {FLOAT32_VERSION: ("float32", 4), BFLOAT16_VERSION: ("bfloat16", 2)}


def is_llmc(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is a model of llm.c."""
    return start[:4] == MAGIC.to_bytes(4, "little")


def read_llmc(path: Path, tokens: str | None) -> ForeignModel:
    """Return the model of a file; the rows that pad its vocabulary, which llm.c never uses, are left out.

    Raises
    ------
    UserError
        If its version is another, its header is impossible, or its size is not that of the header's model.
    """
    data = map_file(path)
    version, config, padded = _read_header(data, path)
    kind, width = _KINDS[version]
    count = config.parameter_count + (padded - config.vocab_size) * config.n_embd
    if data.size != HEADER_BYTES + count * width:
        raise UserError(
            f"{show_path(path)} must have {HEADER_BYTES + count * width:,} bytes for the model of its header, and has "
            f"{data.size:,}; is it complete?"
        )
    shapes = parameter_shapes(config) | {"wte.weight": (padded, config.n_embd)}
    tensors, start = {}, HEADER_BYTES
    for name in names_in_order(config):
        shape = shapes[name][::-1] if is_transposed(name, "out, in") else shapes[name]
        tensors[name] = StoredTensor(kind, shape, partial(numbers_at, data, kind, start, shape))
        start += prod(shape) * width
    embedding = (config.vocab_size, config.n_embd)
    tensors["wte.weight"] = StoredTensor(kind, embedding, partial(numbers_at, data, kind, HEADER_BYTES, embedding))
    read = read_parameters(tensors, config, "out, in", path, data.size)
    padding = f"{padded - config.vocab_size} rows of wte.weight that pad the vocabulary to {padded:,}"
    return make_model(
        path,
        f"llm.c, version {version} ({kind})",
        read,
        find_vocabulary(path, tokens, config.vocab_size),
        left_out=(padding,) if padded > config.vocab_size else (),
    )


def _read_header(data: Bytes, path: Path) -> tuple[int, GPTConfig, int]:
    place = show_path(path)
    if data.size < HEADER_BYTES:
        raise UserError(f"{place} must have a header of {HEADER_BYTES} bytes; is it complete?")
    _, version, *sizes, padded = data[:32].view(np.dtype("<i4")).tolist()
    if version not in _KINDS:
        raise UserError(f"{place} has version {version} of llm.c's format; supported are 3 (float32) and 5 (bfloat16)")
    try:
        config = config_from_header(sizes)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    if padded < config.vocab_size:
        raise UserError(f"{place}: the padded vocabulary must have at least {config.vocab_size} rows, not {padded}")
    return version, config, padded
