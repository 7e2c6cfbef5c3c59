"""What lies at a path: which program's model, if any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.regular_file import open_regular, read_bytes
from gpt_data.wording import list_names, show_path
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel
from numpy_gpt.shared.interchange.reading.gpt_by_hand import is_gpt_by_hand, read_gpt_by_hand
from numpy_gpt.shared.interchange.reading.huggingface import CONFIG, WEIGHTS, read_config_file, read_huggingface
from numpy_gpt.shared.interchange.reading.llmc import is_llmc, read_llmc
from numpy_gpt.shared.interchange.reading.mingpt import is_mingpt, read_mingpt
from numpy_gpt.shared.interchange.reading.nanogpt import read_nanogpt
from numpy_gpt.shared.interchange.reading.torch_file import is_torch_file, read_torch_file
from numpy_gpt.shared.runs.checkpoint import MANIFEST
from numpy_gpt.shared.runs.metrics import METRICS_FILE
from numpy_gpt.shared.runs.run_directory import CHECKPOINTS

SUPPORTED = (
    "a Hugging Face directory of GPT-2 (config.json with model.safetensors or pytorch_model.bin), nanoGPT's or "
    "GPT-by-Hand's ckpt.pt, minGPT's model.pt with its config.json, or llm.c's .bin"
)
_CHECKPOINTS = ("ckpt.pt", "model.pt")  # nanoGPT's and GPT-by-Hand's, minGPT's
_OURS = (MANIFEST, CHECKPOINTS, METRICS_FILE)
_START = 32  # bytes by which a file is recognised


def is_foreign(path: Path) -> bool:
    """Return whether a path leads to what may be another program's model: a file, or a directory with its files."""
    if os.path.isdir(path):  # noqa: PTH112 - never raises
        return not any(os.path.lexists(path / name) for name in _OURS) and bool(_files_in(path))
    return _is_file(path)


def read_foreign(path: Path, tokens: str | None = None) -> ForeignModel:
    """Return the model of another program at a path; ``tokens`` says where its vocabulary is.

    Raises
    ------
    UserError
        If there is none, it is our own, it cannot be known how it is to be read, or it is damaged.
    """
    _refuse_our_own(path)
    if os.path.isdir(path):  # noqa: PTH112 - never raises
        found = _files_in(path)
        if not found:
            raise UserError(f"no model of another program in {show_path(path)}; give {SUPPORTED}")
        if len(found) > 1 and not {file.name for file in found} <= set(WEIGHTS):
            names = list_names(file.name for file in found)
            raise UserError(f"{show_path(path)} has several models, {names}: give the path of one file")
        return _read_file(found[0], tokens)
    return _read_file(path, tokens)


def _refuse_our_own(path: Path) -> None:
    """Refuse a model of this project: its files are a GPT-2's, but without its tokens and its steps."""
    is_directory = os.path.isdir(path)  # noqa: PTH112 - never raises
    if not is_directory and path.suffix not in (".safetensors", ".json"):
        return  # such as a ckpt.pt beside ours
    directory = path if is_directory else path.parent
    is_run = is_directory and os.path.lexists(path / CHECKPOINTS) and not _files_in(path)
    if is_run or os.path.lexists(directory / MANIFEST):
        raise UserError(
            f"{show_path(directory)} is a model of this project already: give this directory to any command; "
            "it needs no import"
        )


def _files_in(directory: Path) -> list[Path]:
    return [directory / name for name in (*WEIGHTS, *_CHECKPOINTS) if _is_file(directory / name)]


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - never raises


def _read_file(path: Path, tokens: str | None) -> ForeignModel:
    with open_regular(path) as file:
        start = read_bytes(file, path, _START)
    if is_llmc(start):
        return read_llmc(path, tokens)
    if path.name in WEIGHTS or path.suffix == ".safetensors":
        return read_huggingface(path, _config_beside(path), tokens)
    if not is_torch_file(start):
        raise UserError(f"no model at {show_path(path)}: give a run directory of `numpy_gpt train`, or {SUPPORTED}")
    saved = read_torch_file(path)
    if isinstance(saved, dict) and "model_args" in saved:
        reader = read_gpt_by_hand if is_gpt_by_hand(saved) else read_nanogpt
        return reader(path, saved, tokens)
    return _read_state_dict(path, saved, tokens)


def _read_state_dict(path: Path, saved: Any, tokens: str | None) -> ForeignModel:
    record = _config_beside(path)
    if is_mingpt(record):
        return read_mingpt(path, record, saved, tokens)
    return read_huggingface(path, record, tokens)


def _config_beside(path: Path) -> dict[str, Any]:
    if not _is_file(path.parent / CONFIG):
        raise UserError(
            f"{show_path(path)} has weights, but neither how many heads they are for nor how matrices are stored: "
            f"put the {CONFIG} of the program that wrote it next to it"
        )
    return read_config_file(path.parent)
