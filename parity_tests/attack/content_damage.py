"""Damage by somebody who knows the format: other values and types in JSON, tensor files, pickles and recipes.

A checksum that covers the content is computed again, with the project's own ``seal``, so that the content is read.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

from gpt_data.files.sealed_json import seal
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.recipe import TrainingConfig
from parity_tests.attack.hostile import HUGE, NUMBERS, TEXTS

_INF = float("inf")
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e308, 5e-324, 10**18, 10**30, 10**400, 2**31, 2**63, -(2**63)),
    *(_INF, -_INF, float("nan"), [], {}, [[]], [0], [[0, [1]]], {"a": {}}, ["to", "be"], {"step": 1}, [None]),
    *("", "0", "x", "x" * 5000, "\x1b]0;title\x07", "\n", "\0", "é", "\udcff", "\u202e", "tiny", "../run", "/dev/zero"),
    *("float32", "float64", "relu", "bigram", "gpt", "words", "characters", ["a", "b"], ["a"] * 5000, "nan", "1e5"),
)


class _Twin(str):
    """A key that is written like another one, and is not equal to it: JSON then has it twice."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def mutate(rng: Random, value: Any, changes: int = 1) -> Any:
    """Return a copy of a JSON value with entries replaced, removed, added, moved, doubled or nested."""
    value = copy.deepcopy(value)
    for _ in range(changes):
        places = _places(rng, value)
        if not places:
            return rng.choice(_VALUES)
        _change(rng, *rng.choice(places))
    return value


def _places(rng: Random, value: Any, depth: int = 20) -> list[tuple[Any, Any]]:
    """Return every container in the value with each of its keys, but only two entries of each list: they are alike."""
    if depth == 0:
        return []
    if isinstance(value, dict):
        keys: list[Any] = [*value]
    else:
        keys = rng.sample(range(len(value)), min(2, len(value))) if isinstance(value, list) else []
    inner = [place for key in keys for place in _places(rng, value[key], depth - 1)]
    return [*((value, key) for key in keys), *inner]


def _change(rng: Random, holder: Any, key: Any) -> None:
    old, change = holder[key], rng.random()
    if change < 0.15:
        del holder[key]
    elif change < 0.25 and isinstance(holder, dict):
        twin = rng.choice((_Twin(key) if isinstance(key, str) else key, "unknown", "", "__class__", "\x1b[31m"))
        holder[twin] = rng.choice(_VALUES)
    elif change < 0.3:
        nested = old
        for _ in range(rng.choice((1, 100))):
            nested = [nested]
        holder[key] = nested
    elif change < 0.4 and isinstance(old, int | float):
        holder[key] = rng.choice((-old, old + 1, old * 10**6, float(old), str(old), bool(old), [old]))
    elif change < 0.45:
        holder[key] = copy.deepcopy(holder[rng.choice([*holder] if isinstance(holder, dict) else range(len(holder)))])
    else:
        holder[key] = rng.choice(_VALUES)


def reseal(path: Path, record: dict[str, Any]) -> None:
    """Write a record with its checksum."""
    path.write_bytes(seal({name: value for name, value in record.items() if name != "sha256"}))


def reseal_in(manifest: Path, changed: Path) -> None:
    """Make the file that verifies ``changed`` agree with it again."""
    record = json.loads(manifest.read_bytes())
    content = changed.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if manifest.name in ("checkpoint.json", "golden.json"):
        record["files"][changed.name] = {"bytes": len(content), "sha256": digest}
    else:
        size = 2 if record["dtype"] == "uint16" else 4
        record[changed.stem] = {"tokens": len(content) // size, "sha256": digest}
    reseal(manifest, record)


def mutate_sealed(rng: Random, path: Path) -> None:
    """Change values of a sealed file and seal it again."""
    record = json.loads(path.read_bytes())
    record.pop("sha256")
    changed = mutate(rng, record, rng.choice((1, 1, 1, 2, 4)))
    try:
        reseal(path, changed if isinstance(changed, dict) else {"": changed})
    except (ValueError, RecursionError, UnicodeEncodeError):  # a value that JSON cannot have: some other damage
        reseal(path, {**record, rng.choice([*record]): rng.choice((None, [], {}, "", -1))})


def mutate_json_lines(rng: Random, path: Path) -> None:
    """Change a value in one line, or in the one value, of a file of JSON."""
    lines = path.read_text().splitlines()
    is_lines = path.suffix == ".jsonl"
    place = rng.randrange(len(lines)) if is_lines else 0
    value = json.loads(lines[place] if is_lines else path.read_text())
    changed = json.dumps(mutate(rng, value, rng.choice((1, 1, 3))))
    path.write_text("\n".join([*lines[:place], changed, *lines[place + 1 :], ""]) if is_lines else changed)


def mutate_tensors(rng: Random, path: Path) -> None:
    """Change a safetensors file: its header's length, names, dtypes, shapes and offsets, or numbers."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    change = rng.randrange(4)
    if change == 0:
        length = rng.choice((0, 1, length - 1, length + 1, len(content), 2**31, 2**63, 2**64 - 1))
        path.write_bytes(struct.pack("<Q", length) + content[8:])
        return
    if change == 1:
        start = 4 * rng.randrange(len(data) // 4)
        data[start : start + 4] = struct.pack("<f", rng.choice((_INF, -_INF, float("nan"), 3e38, 1e-45, -0.0)))
    elif change == 2:
        entry = header[rng.choice([name for name in header if name != "__metadata__"])]
        _change_tensor(rng, entry)
    else:
        header = mutate(rng, header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def _change_tensor(rng: Random, entry: dict[str, Any]) -> None:
    (begin, end), shape = entry["data_offsets"], entry["shape"]
    others = {
        "dtype": ("F64", "F16", "BF16", "I32", "U8", "BOOL", "F8_E4M3", "", "x", "C64"),
        "shape": ([], [-1], [2**62, 4], [0], shape[::-1], [*shape, 1], [1.5]),
        "data_offsets": ([end, begin], [0, end - begin], [begin, end + 4], [begin, 2**63], [0], [-4, 0]),
    }
    name = rng.choice([*others])
    entry[name] = rng.choice(others[name])


class _Call:
    """Pickled, it is a call: reading it must not make the directory."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def mutate_pickle(rng: Random, path: Path) -> None:
    """Change the dict in a pickle, and perhaps the protocol; or make it one that runs code."""
    value = pickle.loads(path.read_bytes())  # our own file
    change, protocol = rng.random(), rng.randrange(6)
    if rng.random() < 0.3:  # as other programs write it
        value |= {"itos": [*value["itos"].values()], "stoi": {}, "special_tokens": {"<bos>": 0}}
    if change < 0.2:
        value = rng.choice((_Call(), {**value, "vocab_size": _Call()}, [_Call()], set(), b"", object(), {1: {}}))
    elif change < 0.9:
        value = mutate(rng, value, rng.choice((1, 1, 2)))
    try:
        path.write_bytes(pickle.dumps(value, protocol))
    except (pickle.PicklingError, UnicodeEncodeError, RecursionError):
        path.write_bytes(pickle.dumps(_Call(), protocol))


def mutate_torch_file(rng: Random, path: Path) -> None:
    """Change a file of torch.save: its pickle, or the numbers of a tensor; or let the pickle run code."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in records if name.endswith("data.pkl"))
    change = rng.random()
    if change < 0.2:
        records[name] = pickle.dumps(rng.choice((_Call(), {"model": _Call()}, [_Call()])), 2)
    elif change < 0.7:
        pickled = bytearray(records[name])
        for _ in range(rng.choice((1, 1, 4))):
            pickled[rng.randrange(len(pickled))] = rng.randrange(256)
        records[name] = bytes(pickled)
    else:
        name = rng.choice([*records])
        records[name] = rng.choice((b"", records[name][:-1], records[name] * 2, rng.randbytes(len(records[name]))))
    if rng.random() < 0.1:
        del records[rng.choice([*records])]
    with zipfile.ZipFile(path, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
        for record, content in records.items():
            new.writestr(record, content)


def mutate_header(rng: Random, path: Path) -> None:
    """Change numbers in the header of a file of llm.c, which begins with 256 whole numbers."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2))):
        value = rng.choice((0, 1, -1, 2, 5, 3, 2**31 - 1, -(2**31), 65536, rng.randrange(300)))
        struct.pack_into("<i", content, 4 * rng.randrange(8), value)
    path.write_bytes(content)


def mutate_recipe(rng: Random, path: Path) -> None:
    """Write a recipe whose settings have other values, types, tables and names."""
    names = [field.name for config in (GPTConfig, TrainingConfig) for field in fields(config)]
    names += ["preset", "dataset", "unknown", '""', '"\\u001b[31m"', "a.b", "model.n_embd", "training.seed"]
    lines = path.read_text().splitlines()
    for _ in range(rng.choice((1, 1, 2, 5))):
        text = json.dumps(rng.choice([text for text in TEXTS if "\udcff" not in text]))
        value = rng.choice((rng.choice(NUMBERS), rng.choice(HUGE), text, "true", "[1]", "{a = 1}", "1979-05-27", "nan"))
        line = rng.choice((*[f"{rng.choice(names)} = {value}"] * 9, "[model]", "[x]", "[[model]]"))
        lines.insert(rng.randint(0, len(lines)), line)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


CONTENT_DAMAGES: dict[str, Callable[[Random, Path], None]] = {
    "sealed JSON": mutate_sealed,
    "JSON": mutate_json_lines,
    "tensors": mutate_tensors,
    "pickle": mutate_pickle,
    "recipe": mutate_recipe,
    "torch file": mutate_torch_file,
    "header": mutate_header,
}
"""Format → a function that changes a file of it."""
