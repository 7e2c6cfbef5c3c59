"""A model of another program as it was read, and what the user should know of the reading."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from numpy_gpt.shared.interchange.reading.parameters import Parameters
from numpy_gpt.shared.interchange.reading.vocabulary import Vocabulary
from numpy_gpt.shared.runs.checkpoint import Checkpoint


class ForeignModel(NamedTuple):
    """A model of another program.

    ``kind`` names the format, ``tokens`` says where the vocabulary is from; ``notes`` say what was changed, and
    ``left_out`` what of the files was not needed.
    """

    checkpoint: Checkpoint
    kind: str
    tokens: str
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def make_model(
    place: Path,
    kind: str,
    read: Parameters,
    vocabulary: Vocabulary,
    *,
    step: int = 0,
    notes: tuple[str, ...] = (),
    left_out: tuple[str, ...] = (),
) -> ForeignModel:
    """Return the model of parameters and a vocabulary."""
    checkpoint = Checkpoint(read.config, vocabulary.tokenizer, read.values, step, path=place)
    return ForeignModel(checkpoint, kind, vocabulary.source, (*notes, *read.notes), (*read.left_out, *left_out))
