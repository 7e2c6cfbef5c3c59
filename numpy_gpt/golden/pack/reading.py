"""Reading a pack: golden.json is verified, the tensors are checked by their SHA-256, and read when they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.files.json_values import AtLeast, From
from gpt_data.files.regular_file import open_regular
from gpt_data.files.sealed_json import check_record, read_sealed
from gpt_data.wording import describe, list_names, quote, short_repr, show_path
from numpy_gpt.golden.pack.contents import Entry, entries_of
from numpy_gpt.golden.pack.form import LAYOUTS, LEVELS, SHIPPED_PACKS
from numpy_gpt.golden.pack.layouts import check_layout, from_stored, stored_as
from numpy_gpt.golden.pack.writing import FORMAT, FORMAT_VERSION, RECORD, TABLE, TENSORS
from numpy_gpt.shared.interchange.reading.safetensors_file import read_safetensors
from numpy_gpt.shared.interchange.reading.stored_tensor import StoredTensor
from numpy_gpt.shared.model.config import GPTConfig, config_from_dict
from numpy_gpt.shared.runs.tensor_files import FileRecord

_KINDS = {"F32": "float32", "F64": "float64", "I32": "int32"}
_REMEDY = "write the pack again with `numpy_gpt golden pack`"


class _Record(TypedDict):
    """What golden.json contains besides its format, version and checksum."""

    model: str
    seed: int
    config: Annotated[Any, From(config_from_dict)]
    optimizer: dict[str, float]
    learning_rates: list[float]
    batch: Annotated[int, AtLeast(1)]
    time: Annotated[int, AtLeast(1)]
    steps: Annotated[int, AtLeast(1)]
    level: str
    layout: str
    dtype: str
    versions: dict[str, str]
    files: dict[str, FileRecord]
    tolerance: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False, repr=False)
class Pack:
    """A pack's settings and arrays; whatever the pack's layout, ``arrays`` have this project's own.

    ``tolerance`` is how far each array of a right port may be from the pack's, by dtype and name. ``entries`` are what
    golden.tsv says, in its order, but with our names and shapes.
    """

    config: GPTConfig
    optimizer: Mapping[str, float]
    learning_rates: list[float]
    batch: int
    time: int
    steps: int
    level: str
    layout: str
    dtype: str
    arrays: Mapping[str, Any]
    tolerance: Mapping[str, Mapping[str, float]]
    entries: list[Entry]
    place: Path

    def __repr__(self) -> str:
        return short_repr(f"Pack {show_path(self.place)} of {len(self.entries):,} arrays")


class PackArrays(Mapping[str, Any]):
    """A pack's arrays by name; each is read from its file when it is asked for."""

    def __init__(self, tensors: Mapping[str, StoredTensor], entries: list[Entry], layout: str) -> None:
        self._tensors, self._entries, self._layout = tensors, {entry.name: entry for entry in entries}, layout

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        stored = {part.name: self._tensors[part.name].view() for part in stored_as(entry, self._layout)}
        return from_stored(entry, self._layout, stored)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def read_pack(pack: str | os.PathLike[str]) -> Pack:
    """Return the pack in a directory, or the one of ``SHIPPED_PACKS``.

    Raises
    ------
    UserError
        If there is none, or it is damaged.
    """
    place = pack_place(pack)
    if not os.path.lexists(place / RECORD):
        known = list_names(SHIPPED_PACKS)
        raise UserError(
            f"there is no pack in {show_path(place)}: give a directory that `numpy_gpt golden pack` wrote, or {known}"
        )
    sealed = read_sealed(place / RECORD, FORMAT_VERSION, _REMEDY)
    if sealed.pop("format", None) != FORMAT:
        raise UserError(f"{show_path(place / RECORD)} is not a pack's; {_REMEDY}")
    stated = {name: value for name, value in sealed.items() if name not in ("format_version", "sha256")}
    record: _Record = check_record(stated, _Record, place / RECORD, _REMEDY)
    if record["level"] not in LEVELS or record["layout"] not in LAYOUTS or set(record["files"]) != {TENSORS, TABLE}:
        raise UserError(f"{show_path(place / RECORD)} has a level, a layout or files that are unknown; {_REMEDY}")
    check_layout(record["config"], record["layout"])
    for name, file in record["files"].items():
        _verify(place / name, file)
    shape = record["config"], record["batch"], record["time"], record["steps"], record["level"], record["dtype"]
    entries = list(entries_of(*shape))
    tensors = read_safetensors(place / TENSORS)
    _check_tensors(place, tensors, entries, record["layout"])
    stated = {name: record[name] for name in Pack.__dataclass_fields__ if name in record}  # type: ignore[literal-required]
    return Pack(**stated, arrays=PackArrays(tensors, entries, record["layout"]), entries=entries, place=place)


def pack_place(pack: str | os.PathLike[str]) -> Path:
    """Return the directory of a pack; that of a shipped one if no other directory has its name."""
    place = to_path(pack)
    if str(pack) in SHIPPED_PACKS and not os.path.lexists(place):
        return Path(__file__).parent.parent / "packs" / str(pack)
    return place


def _verify(path: Path, stated: FileRecord) -> None:
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            digest.update(part)
            size += len(part)
    if size != stated["bytes"] or digest.hexdigest() != stated["sha256"]:
        what = f"it has {size:,} bytes of {stated['bytes']:,}" if size != stated["bytes"] else "its checksum is wrong"
        raise UserError(f"{show_path(path)} is damaged: {what}; {_REMEDY}")


def _check_tensors(place: Path, tensors: Mapping[str, StoredTensor], entries: list[Entry], layout: str) -> None:
    expected = {part.name: (_KINDS[entry.dtype], part.shape) for entry in entries for part in stored_as(entry, layout)}
    found = {name: (tensor.kind, tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        odd = min(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        what = f"{quote(odd)} is {describe(found.get(odd))} and should be {describe(expected.get(odd))}"
        raise UserError(f"{show_path(place / TENSORS)} is not this release's: {what}; {_REMEDY}")
