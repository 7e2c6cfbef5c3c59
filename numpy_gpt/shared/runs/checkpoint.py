"""Checkpoints: a directory that is either complete and verified or absent; safetensors and JSON, never pickle.

A checkpoint directory contains ``model.safetensors`` (with GPT-2's names), during training also
``optimizer.safetensors`` (AdamW's moments and, if the model's weights are an EMA, the weights in training), and
``checkpoint.json``: config, tokenizer, step, recipe, and the size and SHA-256 of every file, including its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.atomic import check_replaceable, remove_tree, sync_directory
from gpt_data.files.sealed_json import read_sealed, seal
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.wording import show_path
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.config import ModelConfig, config_from_dict, config_to_dict
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.tensor_files import read_tensors, tensor_bytes

FORMAT = "numpy-gpt checkpoint"
FORMAT_VERSION = 1
MODEL_FILE, OPTIMIZER_FILE, MANIFEST = "model.safetensors", "optimizer.safetensors", "checkpoint.json"
_REPLACEABLE = {MODEL_FILE, OPTIMIZER_FILE, MANIFEST, ".DS_Store"}  # macOS creates the last one everywhere
SHIPPED_MODEL = Path(__file__).parent / "models" / "tiny"
REPLACED_SUFFIX = ".replaced"
"""The suffix of a checkpoint that is being replaced; it stays complete until the new one is in place."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model and, if training can resume from it, its moments, recipe and state.

    ``values`` and the two ``moments`` (m, v) are keyed by parameter name; ``facts`` are measured figures such as
    losses; ``state`` is a ``RunState`` as plain values; ``corpus`` is the fingerprint of the run's text;
    ``engine_state`` is the engine's state apart from weights and moments. If ``values`` are an EMA, ``trained`` are the
    weights in training, stored with the moments.
    """

    config: ModelConfig
    tokenizer: Tokenizer
    values: Mapping[str, Array]
    step: int = 0
    recipe: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] | None = None
    moments: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None
    state: Mapping[str, Any] | None = None
    corpus: str | None = None
    engine_state: Mapping[str, Any] | None = None
    trained: Mapping[str, Array] | None = None
    path: Path | None = None


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint to ``directory``, replacing an existing one only once everything is on disk.

    Raises
    ------
    UserError
        If a weight is not finite, the directory contains anything other than a checkpoint, or it cannot be written; its
        previous contents are then untouched and no temporary directory is left.
    """
    check_place(directory)
    directory = directory.resolve()  # the real name if the path was . or a link
    contents = _contents(checkpoint)
    temporary = _hidden_path(directory, "tmp")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        for name, content in contents.items():
            _write_synced(temporary / name, content)
        sync_directory(temporary)
        _put_in_place(temporary, directory)
    except OSError as error:
        raise UserError(
            f"cannot write {show_path(directory)}: {error.strerror or error}; is the place writable and not full?"
        ) from error
    finally:
        remove_tree(temporary)


def check_place(directory: Path) -> None:
    """Refuse a directory that contains anything other than a checkpoint, because saving there would remove it.

    Raises
    ------
    UserError
        If it is a file, or contains a file that does not belong to a checkpoint.
    """
    check_replaceable(directory, "a checkpoint's", _REPLACEABLE.__contains__)


def _put_in_place(temporary: Path, directory: Path) -> None:
    # A directory cannot be renamed over another. So the old one gets a name that readers recognise, the new one takes
    # its place, and only then is the old one removed: there is a complete checkpoint at every moment.
    replaced = directory.with_name(f"{directory.name}{REPLACED_SUFFIX}")
    if directory.exists():
        if replaced.exists():
            remove_directory(replaced)
        directory.rename(replaced)
    temporary.rename(directory)
    sync_directory(directory.parent)
    if replaced.exists():
        remove_directory(replaced)


def read_checkpoint(directory: Path) -> Checkpoint:
    """Return the checkpoint in exactly this directory.

    Raises
    ------
    UserError
        If there is none, or it is damaged, incomplete, in another format, or inconsistent with its own config.
    """
    manifest, place = _read_manifest(directory), show_path(directory)
    try:
        config = config_from_dict(manifest["config"])
        tokenizer = tokenizer_from_dict(manifest["tokenizer"])
        files, step = dict(manifest["files"]), int(manifest["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{place} is not a checkpoint of this program: {error}") from error
    shapes = parameter_shapes(config)
    values = read_tensors(directory / MODEL_FILE, files.get(MODEL_FILE), shapes)
    rest = {name: manifest.get(name) for name in ("recipe", "facts", "state", "corpus", "engine_state")}
    moments = trained = None
    if OPTIMIZER_FILE in files:
        kinds = ["m", "v"] + ["trained"] * _has_ema(rest["recipe"])
        names = {f"{kind}.{name}": shapes[name] for kind in kinds for name in shapes}
        tensors = read_tensors(directory / OPTIMIZER_FILE, files[OPTIMIZER_FILE], names)
        m, v, *others = ({name: tensors[f"{kind}.{name}"] for name in shapes} for kind in kinds)
        moments, trained = (m, v), others[0] if others else None
    return Checkpoint(config, tokenizer, values, step, moments=moments, trained=trained, path=directory, **rest)


def _has_ema(recipe: Any) -> bool:
    training = recipe.get("training") if isinstance(recipe, dict) else None
    return isinstance(training, dict) and bool(training.get("ema_decay"))


def _contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    m, v = checkpoint.moments or ({}, {})
    parts = {"m": m, "v": v, "trained": checkpoint.trained or {}}
    tensors = {f"{kind}.{name}": array for kind, part in parts.items() for name, array in part.items()}
    if name := first_not_finite(checkpoint.values) or first_not_finite(tensors):
        raise UserError(f"a checkpoint must contain only finite numbers, but {name} does not; nothing was written")
    contents = {MODEL_FILE: tensor_bytes(checkpoint.values)}
    if tensors:
        contents[OPTIMIZER_FILE] = tensor_bytes(tensors)
    contents[MANIFEST] = _manifest(checkpoint, contents)
    return contents


def _manifest(checkpoint: Checkpoint, contents: Mapping[str, bytes]) -> bytes:
    training = {"state": checkpoint.state, "corpus": checkpoint.corpus, "engine_state": checkpoint.engine_state}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "step": checkpoint.step,
        "config": config_to_dict(checkpoint.config),
        "tokenizer": checkpoint.tokenizer.to_dict(),
        "recipe": checkpoint.recipe,
        "facts": checkpoint.facts,
        **{name: value for name, value in training.items() if value is not None},
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    return seal(manifest)


def _read_manifest(directory: Path) -> dict[str, Any]:
    place = show_path(directory)
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


def remove_directory(directory: Path) -> None:
    """Remove a checkpoint, after renaming it so that no reader ever sees it half removed."""
    old = _hidden_path(directory, "old")
    directory.rename(old)
    remove_tree(old)


def _hidden_path(directory: Path, ending: str) -> Path:
    # The same parent is on the same file system, where renaming is atomic; the name is unique.
    return directory.with_name(f".{directory.name}.{os.getpid()}-{os.urandom(4).hex()}.{ending}")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
