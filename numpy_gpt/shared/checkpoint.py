"""Checkpoints: a directory that is complete and verified, or not there at all; safetensors and JSON, never pickle.

A checkpoint directory holds ``model.safetensors`` (a GPT-2 checkpoint by its names), in training also
``optimizer.safetensors`` (AdamW's moments), and ``checkpoint.json``: config, tokenizer, step, recipe, and the size and
SHA-256 of every file, itself included. A run directory holds such directories under ``checkpoints/``, the newest two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from gpt_data.regular_file import read_regular
from gpt_data.sealed_json import read_sealed, seal
from gpt_data.tokenizer import WordTokenizer
from gpt_data.wording import shown_path
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.config import GPTConfig
from numpy_gpt.shared.names import parameter_shapes

FORMAT = "numpy-gpt checkpoint"
FORMAT_VERSION = 1
MODEL_FILE, OPTIMIZER_FILE, MANIFEST = "model.safetensors", "optimizer.safetensors", "checkpoint.json"
SHIPPED_MODEL = Path(__file__).parent / "models" / "tiny"
_KEPT = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model and, where training can go on from it, its moments and recipe.

    ``values`` and the two ``moments`` (m, v) go by parameter name; ``facts`` are measured figures such as losses.
    """

    config: GPTConfig
    tokenizer: WordTokenizer
    values: Mapping[str, Array]
    step: int = 0
    recipe: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] | None = None
    moments: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None
    path: Path | None = None


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint into ``directory``, replacing what is there only when everything is on the disk.

    Raises
    ------
    UserError
        If it cannot be written; what was there before is then untouched and no temporary directory is left.
    """
    from safetensors.numpy import save

    contents = {MODEL_FILE: save(_contiguous(checkpoint.values))}
    if checkpoint.moments is not None:
        m, v = checkpoint.moments
        moments = {f"{kind}.{name}": array for kind, part in (("m", m), ("v", v)) for name, array in part.items()}
        contents[OPTIMIZER_FILE] = save(_contiguous(moments))
    contents[MANIFEST] = _manifest(checkpoint, contents)
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        for name, content in contents.items():
            _write_synced(temporary / name, content)
        _sync_directory(temporary)
        if directory.exists():
            _remove(directory)
        temporary.rename(directory)
        _sync_directory(directory.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {shown_path(directory)}: {error.strerror or error}; is the place writable, has it room?"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_in_run(run: Path, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint as the run's newest, then drop all but the newest two; return its directory."""
    directory = run / "checkpoints" / f"step-{checkpoint.step:09d}"
    save_checkpoint(directory, checkpoint)
    for old in _newest_first(run)[_KEPT:]:
        _remove(old)
    for left_over in directory.parent.glob(".step-*"):  # of a process that was killed while it wrote
        shutil.rmtree(left_over, ignore_errors=True)
    return directory


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in ``path``: a checkpoint directory, or a run directory, whose newest good one is taken.

    Raises
    ------
    UserError
        If there is none, or it is damaged, incomplete, of another format, or does not fit its own config.
    """
    candidates = _newest_first(path) or [path]
    for place, candidate in enumerate(candidates):
        try:
            return _read(candidate)
        except UserError:
            if place == len(candidates) - 1:
                raise
    raise UserError(f"no checkpoint in {shown_path(path)}")


load_model = load_checkpoint


def _read(directory: Path) -> Checkpoint:
    manifest = _read_manifest(directory)
    place = shown_path(directory)
    try:
        config = GPTConfig.from_dict(manifest["config"])
        tokenizer = WordTokenizer.from_dict(manifest["tokenizer"])
        files, step = dict(manifest["files"]), int(manifest["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{place} is not a checkpoint of this program: {error}") from error
    shapes = parameter_shapes(config)
    values = _tensors(directory / MODEL_FILE, files, shapes)
    moments = None
    if OPTIMIZER_FILE in files:
        both = _tensors(
            directory / OPTIMIZER_FILE, files, {f"{kind}.{name}": shapes[name] for kind in "mv" for name in shapes}
        )
        m, v = ({name: both[f"{kind}.{name}"] for name in shapes} for kind in "mv")
        moments = (m, v)
    recipe, facts = manifest.get("recipe"), manifest.get("facts")
    return Checkpoint(config, tokenizer, values, step, recipe, facts, moments, directory)


def _manifest(checkpoint: Checkpoint, contents: Mapping[str, bytes]) -> bytes:
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "step": checkpoint.step,
        "config": asdict(checkpoint.config),
        "tokenizer": checkpoint.tokenizer.to_dict(),
        "recipe": checkpoint.recipe,
        "facts": checkpoint.facts,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    return seal(manifest)


def _read_manifest(directory: Path) -> dict[str, Any]:
    place = shown_path(directory)
    if not directory.exists():
        raise UserError(f"no model at {place}: there is no such file or directory")
    if not directory.is_dir() or not (directory / MANIFEST).is_file():
        raise UserError(
            f"no model at {place}: give a run directory of `numpy_gpt train`, or a directory with {MANIFEST}"
        )
    manifest = read_sealed(directory / MANIFEST, FORMAT_VERSION, "use another checkpoint")
    if manifest.get("format") != FORMAT:
        raise UserError(f"{place}/{MANIFEST} is not a manifest of this program; use another checkpoint")
    return manifest


def _tensors(path: Path, files: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    place = shown_path(path)
    expected = files.get(path.name)
    if not isinstance(expected, dict):
        raise UserError(f"{place} is not listed in its {MANIFEST}; use another checkpoint")
    content = read_regular(path)
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise UserError(f"{place} is damaged: its checksum is wrong; use another checkpoint")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{place} is not a safetensors file: {error}") from error
    if set(tensors) != set(shapes):
        odd = min(set(tensors) ^ set(shapes))
        raise UserError(f"{place}: tensor {odd!r} is {'unknown' if odd in tensors else 'missing'} for its config")
    for name, shape in shapes.items():
        if tensors[name].shape != shape or tensors[name].dtype not in (np.float32, np.float64):
            raise UserError(
                f"{place}: {name} must be float32 or float64 of shape {shape}, "
                f"not {tensors[name].dtype} {tensors[name].shape}"
            )
    return {name: tensors[name] for name in shapes}


def _newest_first(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").glob("step-*"), reverse=True)


def _contiguous(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no directories
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _remove(directory: Path) -> None:
    # Renamed first: one step takes the whole directory out of sight, so none is ever seen half removed.
    doomed = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    directory.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
