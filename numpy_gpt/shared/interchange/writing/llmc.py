"""llm.c's model file of version 3, and its gpt2_tokenizer.bin, under the names that its train_gpt2 reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpt_data.errors import UserError
from gpt_data.tokens.bpe_files import bpe_file_contents
from gpt_data.tokens.bpe_tokenizer import BpeTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.token_text import padded_vocabulary
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import describe
from numpy_gpt.shared.interchange.fixed_fields import require_fields
from numpy_gpt.shared.interchange.layouts import is_transposed
from numpy_gpt.shared.interchange.llmc_format import (
    FIXED,
    FLOAT32_VERSION,
    HEADER_NUMBERS,
    header_numbers,
    names_in_order,
    padded_vocab_size,
)
from numpy_gpt.shared.interchange.writing.exported import Exported, training_notes
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.gpt2_files import end_of_text_id

MODEL_FILE, TOKENIZER_FILE = "gpt2_124M.bin", "gpt2_tokenizer.bin"
_TOKENIZER_MAGIC, _TOKENIZER_VERSION = 20240328, 2
_LONGEST_TOKEN = 255  # bytes; its length is stored in one
_TRAINED_CONTEXT = 64  # positions that train_gpt2.c computes
_USAGE = "in llm.c's directory: cp {place}/*.bin . && make train_gpt2 && ./train_gpt2"


def export_llmc(checkpoint: Checkpoint) -> Exported:
    """Return the model's files.

    Raises
    ------
    UserError
        If it is not a GPT, llm.c has no such model, or a weight is too large for float32.
    """
    config, tokenizer = require_gpt(checkpoint.config), checkpoint.tokenizer
    require_fields(config, FIXED, "llm.c")
    largest = max(config.vocab_size, config.block_size)
    if padded_vocab_size(largest) > np.iinfo(np.int32).max:
        raise UserError(f"llm.c's sizes must fit into 32 bits, and {describe(largest)} does not")
    content, rounded = _model_bytes(config, checkpoint)
    files = {MODEL_FILE: content}
    notes = training_notes(checkpoint) + _model_notes(config, rounded)
    tokens = _token_bytes(tokenizer, config.vocab_size)
    if isinstance(tokenizer, BpeTokenizer):
        files |= bpe_file_contents(tokenizer)
    if isinstance(tokenizer, IdTokenizer) or any(len(token) > _LONGEST_TOKEN for token in tokens):
        reason = f"its tokens are not known or longer than {_LONGEST_TOKEN} bytes, so train_gpt2 prints ids"
        return Exported(files, (*notes, f"left out: the tokenizer: {reason}"), _USAGE)
    first, why = _first_token(tokenizer)
    files[TOKENIZER_FILE] = _tokenizer_bytes(tokens, first)
    return Exported(files, (*notes, *why), _USAGE)


def _model_bytes(config: GPTConfig, checkpoint: Checkpoint) -> tuple[bytes, bool]:
    """Return the content of the file, and whether a weight had to be rounded."""
    header = np.zeros(HEADER_NUMBERS, "<i4")
    numbers = header_numbers(config, FLOAT32_VERSION)
    header[: len(numbers)] = numbers
    with np.errstate(over="ignore"):
        values = {name: array.astype("<f4", copy=False) for name, array in checkpoint.values.items()}
    if bad := first_not_finite(values):
        raise UserError(f"{bad} has a number that is too large for float32, llm.c's precision")
    rounded = any((values[name] != array).any() for name, array in checkpoint.values.items())
    parts = [header, *_tensors(config, values)]
    return b"".join(part.tobytes() for part in parts), rounded


def _tensors(config: GPTConfig, values: dict[str, Array]) -> Iterator[Array]:
    for name in names_in_order(config):
        if name not in values:  # a bias that the model lacks
            yield np.zeros(_bias_size(name, values), "<f4")
        else:
            yield values[name].T if is_transposed(name, "out, in") else values[name]
        if name == "wte.weight":
            yield np.zeros((padded_vocab_size(config.vocab_size) - config.vocab_size, config.n_embd), "<f4")


def _bias_size(name: str, values: dict[str, Array]) -> int:
    return int(values[f"{name.removesuffix('bias')}weight"].shape[-1])


def _model_notes(config: GPTConfig, rounded: bool) -> tuple[str, ...]:
    notes = {
        "the weights are rounded from float64 to float32": rounded,
        "llm.c's model always has biases: those that the model lacks are zeros": not config.bias,
        f"left out: dropout={config.dropout}, because llm.c has none": config.dropout > 0,
        f"train_gpt2.c computes {_TRAINED_CONTEXT} positions, more than the {config.block_size} of this model, and "
        "would read past its end; train_gpt2cu has the flag -t": config.block_size < _TRAINED_CONTEXT,
    }
    return tuple(note for note, holds in notes.items() if holds)


def _token_bytes(tokenizer: Tokenizer, vocab_size: int) -> list[bytes]:
    known = tokenizer.token_bytes if isinstance(tokenizer, BpeTokenizer) else ()
    texts = padded_vocabulary(tokenizer, vocab_size)[len(known) :]
    return [*known, *(text.encode("utf-8", "surrogatepass") for text in texts)]


def _first_token(tokenizer: Tokenizer) -> tuple[int, tuple[str, ...]]:
    """Return the token with which train_gpt2 starts a text, and a note if it is not <|endoftext|>."""
    if (end := end_of_text_id(tokenizer)) is not None:
        return end, ()
    first = "\n" if "\n" in tokenizer.vocabulary else tokenizer.vocabulary[0]
    note = f"train_gpt2 starts its texts with the token {describe(first)}, because there is no <|endoftext|>"
    return tokenizer.vocabulary.index(first), (note,)


def _tokenizer_bytes(tokens: list[bytes], first: int) -> bytes:
    header = np.zeros(HEADER_NUMBERS, "<u4")
    header[:4] = _TOKENIZER_MAGIC, _TOKENIZER_VERSION, len(tokens), first
    return header.tobytes() + b"".join(bytes([len(token)]) + token for token in tokens)
