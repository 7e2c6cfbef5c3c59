"""nanoGPT's ckpt.pt, in the precision of the model, and meta.pkl, from which its sample.py takes the tokens."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

import numpy as np

from gpt_data.tokens.bpe_files import bpe_file_contents
from gpt_data.tokens.bpe_tokenizer import END_OF_TEXT, BpeTokenizer
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.tokens.token_text import padded_vocabulary
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.interchange.layouts import is_transposed
from numpy_gpt.shared.interchange.nanogpt_config import config_to_nanogpt
from numpy_gpt.shared.interchange.writing.exported import Exported, training_notes
from numpy_gpt.shared.interchange.writing.pickle_bytes import pickle_bytes
from numpy_gpt.shared.interchange.writing.torch_file import torch_file
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.runs.checkpoint import Checkpoint

_GPT2_MERGES = "04e3597d7996f292ca9b8b7285ca4d58a6ae171ac47d73fc7140ceb0c7a6bbc0"
"""SHA-256 of GPT-2's 50,000 merges, one per line."""
_USAGE = "in nanoGPT's directory: {copy}python sample.py --out_dir={place} --device=cpu{start}"
_COPY = "cp -r {place}/data . && "


def export_nanogpt(checkpoint: Checkpoint) -> Exported:
    """Return the model's files.

    Raises
    ------
    UserError
        If it is not a GPT, or nanoGPT has no such model.
    """
    config, tokenizer = require_gpt(checkpoint.config), checkpoint.tokenizer
    arguments, dataset = config_to_nanogpt(config), _dataset(checkpoint)
    saved = {
        "model": _state_dict(checkpoint),
        "model_args": arguments,
        "iter_num": checkpoint.step,
        "config": {"dataset": dataset},
    }
    files = {"ckpt.pt": torch_file(saved)}
    if isinstance(tokenizer, BpeTokenizer):
        files |= bpe_file_contents(tokenizer)
    has_meta = not isinstance(tokenizer, IdTokenizer) and not is_gpt2_encoding(tokenizer)
    if has_meta:
        files[f"data/{dataset}/meta.pkl"] = _meta(tokenizer, config.vocab_size)
    usage = _USAGE.replace("{copy}", _COPY if has_meta else "").replace("{start}", _start(tokenizer))
    return Exported(files, training_notes(checkpoint) + _tokenizer_notes(tokenizer), usage)


def is_gpt2_encoding(tokenizer: Tokenizer) -> bool:
    """Return whether a tokenizer is GPT-2's own, which programs have without being given it."""
    return (
        isinstance(tokenizer, BpeTokenizer)
        and tokenizer.special == (END_OF_TEXT,)
        and hashlib.sha256("\n".join(tokenizer.merges).encode()).hexdigest() == _GPT2_MERGES
    )


def _state_dict(checkpoint: Checkpoint) -> dict[str, Array]:
    state = {
        f"transformer.{name}": np.ascontiguousarray(array.T) if is_transposed(name, "out, in") else array
        for name, array in checkpoint.values.items()
    }
    return state | {"lm_head.weight": state["transformer.wte.weight"]}


def _dataset(checkpoint: Checkpoint) -> str:
    """Return a name for the directory of meta.pkl that nanoGPT has not already given to a dataset of its own."""
    name = PurePath(str((checkpoint.recipe or {}).get("dataset", ""))).name
    return "numpy_gpt_" + (re.sub(r"[^\w-]", "_", name, flags=re.ASCII) or "model")


def _meta(tokenizer: Tokenizer, vocab_size: int) -> bytes:
    tokens = padded_vocabulary(tokenizer, vocab_size)
    ids = dict(enumerate(tokens))
    return pickle_bytes({"vocab_size": vocab_size, "itos": ids, "stoi": {token: index for index, token in ids.items()}})


def _tokenizer_notes(tokenizer: Tokenizer) -> tuple[str, ...]:
    if isinstance(tokenizer, IdTokenizer):
        return ("left out: the tokens of the ids, which are not known; sample.py takes them for GPT-2's",)
    if is_gpt2_encoding(tokenizer) or all(len(token) == 1 for token in tokenizer.vocabulary):
        return ()
    return ("sample.py takes a prompt character by character, so each must be a token; its output has whole tokens",)


def _start(tokenizer: Tokenizer) -> str:
    """Return the flag for a prompt of one token, if there is no line break, which is sample.py's default."""
    letters = (token for token in tokenizer.vocabulary if len(token) == 1 and token.isalpha())
    return "" if "\n" in tokenizer.vocabulary else f" --start={next(letters, 'PROMPT')}"
