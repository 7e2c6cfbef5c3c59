"""Writing a pack: the tensors as they are computed, then golden.tsv, golden.h and golden.json, which verifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
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
        offsets = _write_header(tensors, file_order(entries, case.config, form.layout), form.layout)
        by_name = {entry.name: entry for entry in entries}
        record_case(case, partial(_write_array, tensors, by_name, offsets, form.layout))
        table.write(_table(entries, offsets, form.layout))
        header.write(header_path().read_bytes())
        for file in files:
            file.flush()
        written = partial(_read_array, Path(tensors.name), by_name, offsets, form.layout)
        tolerance = tolerances_of(case, written)
        described = {name: _describe(file) for name, file in ((TENSORS, tensors), (TABLE, table))}
        record.write(seal(_record(case, form, about, described, tolerance)))


def header_path() -> Path:
    """Return the place of golden.h."""
    return Path(__file__).parent.parent / HEADER


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


def _write_array(
    file: BinaryIO, entries: Mapping[str, Entry], offsets: Mapping[str, int], layout: str, name: str, array: Any
) -> None:
    entry = entries.get(name)
    if entry is None:  # not in a pack of this level
        return
    for part in stored_as(entry, layout):
        stored = part.of(np.asarray(array)).astype(_NUMBERS[entry.dtype], order="C")
        file.seek(offsets[part.name])
        file.write(stored.data)


def _read_array(
    path: Path, entries: Mapping[str, Entry], offsets: Mapping[str, int], layout: str, name: str
) -> Any | None:
    entry = entries.get(name)
    if entry is None:
        return None
    stored = {
        part.name: np.fromfile(path, _NUMBERS[entry.dtype], prod(part.shape), offset=offsets[part.name]).reshape(
            part.shape
        )
        for part in stored_as(entry, layout)
    }
    return from_stored(entry, layout, stored)


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
