"""Writing a pack: the tensors as they are computed, then golden.tsv, golden.h and golden.json, which verifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gpt_data.files.atomic import atomic_files, make_directory
from gpt_data.files.sealed_json import seal
from numpy_gpt.golden.pack.case import Case
from numpy_gpt.golden.pack.contents import ITEM_SIZES, Entry, entries_of
from numpy_gpt.golden.pack.form import Form
from numpy_gpt.golden.pack.layouts import check_layout, file_order, from_stored, stored_as
from numpy_gpt.golden.pack.recording import record_case
from numpy_gpt.golden.pack.tolerances import tolerances_of
from numpy_gpt.shared.model.config import config_to_dict

TENSORS, TABLE, RECORD, HEADER = "golden.safetensors", "golden.tsv", "golden.json", "golden.h"
FORMAT, FORMAT_VERSION = "numpy-gpt golden pack", 1
COLUMNS = ("offset", "dtype", "dims", "name", "equation", "axes", "skip")
_NUMBERS = {"F32": "<f4", "F64": "<f8", "I32": "<i4"}
_HASHED_AT_ONCE = 1 << 20  # bytes


def write_pack(directory: Path, case: Case, form: Form, about: Mapping[str, Any]) -> None:
    """Write the pack of a case; ``about`` says in golden.json where the model comes from.

    Files of other names in the directory are left alone. Memory does not grow with the number of steps.

    Raises
    ------
    UserError
        If the directory cannot be written, or the layout has no such model.
    """
    check_layout(case.config, form.layout)
    entries = list(entries_of(case.config, *case.batch_shape, case.steps, form.level, form.dtype))
    names = (TENSORS, TABLE, HEADER, RECORD)
    with make_directory(directory), atomic_files(*(directory / name for name in names)) as files:
        tensors, table, header, record = files
        stored = _TensorFile(tensors, file_order(entries, case.config, form.layout), form.layout)
        record_case(case, stored.write)
        stored.check_complete()
        table.write(_table(entries, stored.offsets, form.layout))
        header.write(header_path().read_bytes())
        for file in files:
            file.flush()
        tolerance = tolerances_of(case, stored.read)
        described = {name: _describe(file) for name, file in ((TENSORS, tensors), (TABLE, table))}
        record.write(seal(_record(case, form, about, described, tolerance)))


def header_path() -> Path:
    """Return the place of golden.h."""
    return Path(__file__).parent.parent / HEADER


class _TensorFile:
    """A safetensors file whose arrays are written in any order, each at its place, ``offsets`` in the file."""

    def __init__(self, file: BinaryIO, entries: list[Entry], layout: str) -> None:
        self._file, self._layout = file, layout
        self._entries = {entry.name: entry for entry in entries}
        self._missing = set(self._entries)
        self.offsets = _write_header(file, entries, layout)

    def write(self, name: str, array: Any) -> None:
        """Write an array, unless the pack does not contain it."""
        entry = self._entries.get(name)
        if entry is None:
            return
        if np.shape(array) != entry.shape:
            raise RuntimeError(f"{name} has shape {np.shape(array)}, and its entry says {entry.shape}")
        for part in stored_as(entry, self._layout):
            stored = part.of(np.asarray(array)).astype(_NUMBERS[entry.dtype], order="C")
            self._file.seek(self.offsets[part.name])
            self._file.write(stored.data)
        self._missing.discard(name)

    def read(self, name: str) -> Any | None:
        """Return an array as it was written, in this project's own layout, or None if the pack does not contain it."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        path, dtype, stored = Path(self._file.name), _NUMBERS[entry.dtype], {}
        for part in stored_as(entry, self._layout):
            numbers = np.fromfile(path, dtype, prod(part.shape), offset=self.offsets[part.name])
            stored[part.name] = numbers.reshape(part.shape)
        return from_stored(entry, self._layout, stored)

    def check_complete(self) -> None:
        """Check that every array was written: the graph must name exactly what numpy_gpt records."""
        if self._missing:
            raise RuntimeError(f"numpy_gpt does not record {sorted(self._missing)}, which the graph has")


def _write_header(file: BinaryIO, entries: list[Entry], layout: str) -> dict[str, int]:
    """Write the safetensors header, and return the place of each array in the file by its name there."""
    header, places, start = {}, {}, 0
    for entry in entries:
        for part in stored_as(entry, layout):
            places[part.name], end = start, start + ITEM_SIZES[entry.dtype] * prod(part.shape)
            header[part.name] = {"dtype": entry.dtype, "shape": part.shape, "data_offsets": [start, end]}
            start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    file.write(len(text).to_bytes(8, "little") + text)
    before = 8 + len(text)
    file.truncate(before + start)
    return {name: before + place for name, place in places.items()}


def _table(entries: list[Entry], offsets: Mapping[str, int], layout: str) -> bytes:
    lines = ["\t".join(COLUMNS)]
    for entry in entries:
        for part in stored_as(entry, layout):
            dims = ",".join(map(str, part.shape)) or "-"
            fields = (str(offsets[part.name]), entry.dtype, dims, part.name, entry.equation, part.axes, entry.skip)
            lines.append("\t".join(fields))
    return "\n".join([*lines, ""]).encode()


def _describe(file: BinaryIO) -> dict[str, Any]:
    digest = hashlib.sha256()
    with Path(file.name).open("rb") as written:
        while part := written.read(_HASHED_AT_ONCE):
            digest.update(part)
        return {"bytes": written.tell(), "sha256": digest.hexdigest()}


def _record(
    case: Case, form: Form, about: Mapping[str, Any], files: Mapping[str, Any], tolerance: Mapping[str, Any]
) -> dict[str, Any]:
    batch, time = case.batch_shape
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **about,
        "config": config_to_dict(case.config),
        "optimizer": dict(case.optimizer),
        "learning_rates": case.learning_rates,
        "batch": batch,
        "time": time,
        "steps": case.steps,
        **form._asdict(),
        "files": files,
        "tolerance": tolerance,
    }
