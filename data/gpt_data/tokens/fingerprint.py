"""Which text a run reads, as a short string: a run that goes on must read the same one."""

from __future__ import annotations

import hashlib
import json

from gpt_data.checks import TokenIds
from gpt_data.texts.corpora import Corpus

_SLICE = 1 << 20  # tokens at a time, so that memory does not grow with the text


def fingerprint(corpus: Corpus) -> str:
    """Return a SHA-256 of both splits and the vocabulary, the same whatever type of integer holds the tokens."""
    digest = hashlib.sha256(json.dumps(corpus.tokenizer.to_dict()).encode())
    for tokens in (corpus.train, corpus.val):
        digest.update(len(tokens).to_bytes(8, "little"))
        _add(digest, tokens)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, tokens: TokenIds) -> None:
    for start in range(0, len(tokens), _SLICE):
        digest.update(tokens[start : start + _SLICE].astype("<u4").tobytes())
