"""Checkpoints: a directory that is either complete and verified or absent; safetensors and JSON, never pickle.

A checkpoint directory contains ``model.safetensors`` and, for a GPT with layer norm, ``config.json``, which make it a
GPT-2 directory (see gpt2_files.py); during training also ``optimizer.safetensors`` (AdamW's moments and, if the model's
weights are an EMA, the weights in training); and ``checkpoint.json``: config, tokenizer, step, recipe, and the size and
SHA-256 of every file, including its own. Earlier releases wrote no ``config.json``, and only the model's own
parameters.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from gpt_data.errors import UserError
from gpt_data.files.atomic import check_replaceable, keep_owner_and_mode, new_directories, sync_directory
from gpt_data.files.json_values import From
from gpt_data.files.sealed_json import check_record, read_sealed, seal
from gpt_data.files.temporary import remove_leftovers, remove_tree, temporary_directory, temporary_path
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.tokens.tokenizer_kinds import tokenizer_from_dict
from gpt_data.wording import count_of, list_names, short_repr, show_path
from numpy_gpt.shared.model.arrays import Array, first_not_finite
from numpy_gpt.shared.model.config import ModelConfig, config_from_dict, config_to_dict
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes
from numpy_gpt.shared.runs.gpt2_files import CONFIG_FILE, MODEL_FILE, gpt2_files, is_gpt2, read_values
from numpy_gpt.shared.runs.run_state import RunState, Step
from numpy_gpt.shared.runs.tensor_files import FileRecord, read_tensors, read_verified, tensor_bytes

FORMAT = "numpy-gpt checkpoint"
FORMAT_VERSION = 1
OPTIMIZER_FILE, MANIFEST = "optimizer.safetensors", "checkpoint.json"
_REPLACEABLE = {CONFIG_FILE, MODEL_FILE, OPTIMIZER_FILE, MANIFEST, ".DS_Store"}  # macOS creates the last one everywhere
SHIPPED_MODEL = Path(__file__).parent / "models" / "tiny"
_LARGEST_CONFIG = 1 << 16  # bytes of config.json; it has less than a thousand
_REMEDY = "use another checkpoint"
REPLACED_SUFFIX = ".replaced"
"""The suffix of a checkpoint that is being replaced; it stays complete until the new one is in place."""


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """A model and, if training can resume from it, its moments, recipe and state.

    ``values`` and the two ``moments`` (m, v) are keyed by parameter name; ``facts`` are measured figures such as
    losses; ``corpus`` is the fingerprint of the run's text;
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
    state: RunState | None = None
    corpus: str | None = None
    engine_state: Mapping[str, Any] | None = None
    trained: Mapping[str, Array] | None = None
    path: Path | None = None

    def __repr__(self) -> str:
        parameters = count_of(parameter_count(self.config), "parameter")
        return short_repr(f"Checkpoint of {parameters} after {count_of(self.step, 'step')}")


@dataclass(frozen=True)
class _RecipeRecord:
    """A recipe as far as this room knows it; ``Recipe.from_dict`` checks the rest."""

    name: str
    dataset: str
    model: Annotated[ModelConfig, From(config_from_dict)]
    training: dict[str, int | float | bool | str | None]
    init_from: dict[str, int | str] | None = None


@dataclass(frozen=True, eq=False)
class _Manifest:
    """The content of checkpoint.json, which is the schema that a file is checked against."""

    format: str
    format_version: int
    step: Step
    config: Annotated[ModelConfig, From(config_from_dict)]
    tokenizer: Annotated[Tokenizer, From(tokenizer_from_dict)]
    recipe: _RecipeRecord | None
    facts: dict[str, float | None] | None
    files: dict[str, FileRecord]
    sha256: str
    state: RunState | None = None
    corpus: str | None = None
    engine_state: dict[str, dict[str, float]] | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state.step != self.step:
            raise UserError(f"state.step must be {self.step}, the step of the checkpoint, not {self.state.step}")
        if self.recipe is not None and self.recipe.model != self.config:
            raise UserError("recipe.model must be the same as config, and differs")
        allowed = {MODEL_FILE, OPTIMIZER_FILE} | ({CONFIG_FILE} if is_gpt2(self.config) else set())
        if MODEL_FILE not in self.files or not set(self.files) <= allowed:
            names = list_names(self.files) or "none"
            config = f"of a GPT with layer norm {CONFIG_FILE}"
            raise UserError(f"files must be {MODEL_FILE}, {config}, and for training {OPTIMIZER_FILE}, not {names}")
        if parameter_count(self.config) * 4 > self.files[MODEL_FILE]["bytes"]:  # before all their names are listed
            raise UserError(f"config has {parameter_count(self.config):,} parameters, too many for {MODEL_FILE}")


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint to ``directory``, replacing an existing one only once everything is on disk.

    Raises
    ------
    UserError
        If a weight is not finite, the directory contains anything other than a checkpoint, it contains a training and
        the checkpoint has none, or it cannot be written; its previous contents are then untouched and no new directory
        is left.
    """
    check_place(directory, may_train=checkpoint.moments is not None)
    real = directory.resolve()  # if the path is . or a link
    contents = _contents(checkpoint)
    try:
        with new_directories(real.parent):
            remove_leftovers(real.parent, real.name.__eq__)
            with temporary_directory(real) as temporary:
                for name, content in contents.items():
                    _write_synced(temporary / name, content)
                    keep_owner_and_mode(real / name, temporary / name)
                keep_owner_and_mode(real, temporary)
                sync_directory(temporary)
                _put_in_place(temporary, real)
    except OSError as error:
        raise UserError(
            f"cannot write {show_path(directory)}: {error.strerror or error}; is the place writable and not full?"
        ) from error


def is_saved(directory: Path, checkpoint: Checkpoint) -> bool:
    """Return whether the directory already has exactly the files that ``save_checkpoint`` would write."""
    try:
        return all((directory / name).read_bytes() == content for name, content in _contents(checkpoint).items())
    except OSError:
        return False


def check_place(directory: Path, *, may_train: bool = True) -> None:
    """Refuse a directory that contains anything other than a checkpoint, because saving there would remove it.

    ``may_train`` says whether it may be a checkpoint from which training can resume.

    Raises
    ------
    UserError
        If it is a file, or contains a file that does not belong to such a checkpoint.
    """
    check_replaceable(directory, "a checkpoint's", _REPLACEABLE.__contains__)
    if not may_train and os.path.lexists(directory / OPTIMIZER_FILE):
        raise UserError(f"training can be resumed from {show_path(directory)}, and would not be; choose another place")


def _put_in_place(temporary: Path, directory: Path) -> None:
    # A directory cannot be renamed over another. So the old one gets a name that readers recognise, the new one takes
    # its place, and only then is the old one removed: there is a complete checkpoint at every moment.
    replaced = directory.with_name(f"{directory.name}{REPLACED_SUFFIX}")
    if directory.exists():
        remove_checkpoint(replaced)
        directory.rename(replaced)
    temporary.rename(directory)
    sync_directory(directory.parent)
    remove_checkpoint(replaced)


def read_checkpoint(directory: Path) -> Checkpoint:
    """Return the checkpoint in exactly this directory.

    Raises
    ------
    UserError
        If there is none, or it is damaged, incomplete, in another format, or inconsistent with its own config.
    """
    record = _read_manifest(directory)
    manifest: _Manifest = check_record(record, _Manifest, directory / MANIFEST, _REMEDY)
    files, shapes, training = (
        manifest.files,
        parameter_shapes(manifest.config),
        manifest.recipe and manifest.recipe.training,
    )
    values = _read_model(directory, manifest)
    moments = trained = None
    if OPTIMIZER_FILE in files:
        kinds = ["m", "v"] + ["trained"] * bool(training and training.get("ema_decay"))
        names = {f"{kind}.{name}": shapes[name] for kind in kinds for name in shapes}
        tensors = read_tensors(directory / OPTIMIZER_FILE, files[OPTIMIZER_FILE], names)
        m, v, *others = ({name: tensors[f"{kind}.{name}"] for name in shapes} for kind in kinds)
        moments, trained = (m, v), others[0] if others else None
    return Checkpoint(
        manifest.config,
        manifest.tokenizer,
        values,
        manifest.step,
        record["recipe"],
        manifest.facts,
        moments,
        manifest.state,
        manifest.corpus,
        manifest.engine_state,
        trained,
        directory,
    )


def _read_model(directory: Path, manifest: _Manifest) -> dict[str, Array]:
    config, files, path = manifest.config, manifest.files, directory / MODEL_FILE
    if CONFIG_FILE not in files or not is_gpt2(config):
        return read_tensors(path, files[MODEL_FILE], parameter_shapes(config))
    read_verified(directory / CONFIG_FILE, files[CONFIG_FILE], _LARGEST_CONFIG)
    return read_values(path, files[MODEL_FILE], config)


def model_files(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Return the contents of the files in which a checkpoint stores its model, by name."""
    if is_gpt2(checkpoint.config):
        return gpt2_files(checkpoint.config, checkpoint.tokenizer, checkpoint.values)
    return {MODEL_FILE: tensor_bytes(checkpoint.values)}


def _contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    m, v = checkpoint.moments or ({}, {})
    parts = {"m": m, "v": v, "trained": checkpoint.trained or {}}
    tensors = {f"{kind}.{name}": array for kind, part in parts.items() for name, array in part.items()}
    if name := first_not_finite(checkpoint.values) or first_not_finite(tensors):
        raise UserError(f"a checkpoint must contain only finite numbers, but {name} does not; nothing was written")
    contents = model_files(checkpoint)
    if tensors:
        contents[OPTIMIZER_FILE] = tensor_bytes(tensors)
    contents[MANIFEST] = _manifest(checkpoint, contents)
    return contents


def _manifest(checkpoint: Checkpoint, contents: Mapping[str, bytes]) -> bytes:
    state = None if checkpoint.state is None else checkpoint.state.to_dict()
    training = {"state": state, "corpus": checkpoint.corpus, "engine_state": checkpoint.engine_state}
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
    place, path = show_path(directory), directory / MANIFEST
    if not os.path.lexists(directory):
        raise UserError(f"no model at {place}: there is no such file or directory")
    if not os.path.isdir(directory) or _is_missing(path):  # noqa: PTH112 - never raises
        raise UserError(
            f"no model at {place}: give a run directory of `numpy_gpt train`, or a directory with {MANIFEST}"
        )
    manifest = read_sealed(path, FORMAT_VERSION, _REMEDY)
    if manifest.get("format") != FORMAT:
        raise UserError(f"{show_path(path)} is not a manifest of this program; {_REMEDY}")
    return manifest


def _is_missing(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:  # in a directory that may not be read: reading the file says so
        return False
    return False


def remove_checkpoint(directory: Path) -> None:
    """Remove a checkpoint, after renaming it so that no reader ever sees it half removed.

    What this program did not write is left as it is: a link, or a directory with a foreign file in it.
    """
    if directory.is_symlink() or not directory.exists():
        return
    try:
        check_place(directory)
    except UserError:
        return
    old = temporary_path(directory, "old")
    directory.rename(old)
    remove_tree(old)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
