"""Directories like those of nanoGPT's prepare.py, and the messages about bad ones."""

from __future__ import annotations

import pickle

import numpy as np

from gpt_data.tokens.nanogpt import read_nanogpt_directory
from parity_tests.gpt_data.refusals import refusal

LETTERS = ("\n", " ", "a", "é", "😀")
TRAIN, VAL = [2, 1, 0, 4, 3, 2], [1, 2]


def meta_of(vocabulary):
    """Return the content of meta.pkl for a vocabulary."""
    itos = dict(enumerate(vocabulary))
    return {"vocab_size": len(itos), "itos": itos, "stoi": {token: index for index, token in itos.items()}}


def write_directory(folder, meta, protocol=None):
    """Write meta.pkl, as given or pickled, and both token files; return the folder."""
    (folder / "meta.pkl").write_bytes(meta if isinstance(meta, bytes) else pickle.dumps(meta, protocol))
    for name, ids in (("train.bin", TRAIN), ("val.bin", VAL)):
        (folder / name).write_bytes(np.array(ids, dtype="<u2").tobytes())
    return folder


def directory_refusal(folder):
    """Return the message about a bad directory."""
    message = refusal(read_nanogpt_directory, folder)
    assert len(message) < 500 + len(str(folder))
    return message
