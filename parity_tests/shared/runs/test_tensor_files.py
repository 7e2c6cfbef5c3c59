"""Tensor files with a correct checksum but bad contents, made by other programs or by an attacker."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.files import regular_file
from numpy_gpt.shared.runs.tensor_files import read_tensors, tensor_bytes

SHAPES = {"a": (2, 2), "b": (3,)}
GOOD = {"a": np.arange(4, dtype=np.float32).reshape(2, 2), "b": np.ones(3, np.float32)}


def _read(path: Path, content: bytes):
    path.write_bytes(content)
    return read_tensors(path, {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}, SHAPES)


def _with_header(header: str, data: bytes = bytes(28)) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + data


def _entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_in_the_order_of_shapes(tmp_path):
    back = _read(tmp_path / "t", tensor_bytes({"b": GOOD["b"], "a": GOOD["a"].T.copy().T}))
    assert list(back) == ["a", "b"]
    assert all(np.array_equal(back[name], GOOD[name]) for name in GOOD)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        (1 << 63).to_bytes(8, "little") + b"{}",
        ((1 << 64) - 1).to_bytes(8, "little"),
        _with_header("{not json}"),
        _with_header(json.dumps({"a": _entry(0, 16, [2, 2]), "b": _entry(8, 20, [3])})),  # overlapping
        _with_header(json.dumps({"a": _entry(0, 16, [2, 2]), "b": _entry(20, 32, [3])}), bytes(32)),  # a gap
        _with_header(json.dumps({"a": _entry(0, 16, [2, 2]), "b": _entry(16, 28, [3])}), bytes(27)),  # too short
        _with_header(json.dumps({"a": _entry(0, 16, [2, 2]), "b": _entry(16, 28, [3])}), bytes(29)),  # too long
        _with_header(json.dumps({"a": _entry(0, 16, [1 << 62, 4]), "b": _entry(16, 28, [3])})),  # too large
        _with_header(json.dumps({"a": _entry(16, 0, [2, 2]), "b": _entry(16, 28, [3])})),  # backwards
        _with_header(json.dumps({"a": _entry(0, 16, [2, 2], "\x1b]0;title\x07" * 99), "b": _entry(16, 28, [3])})),
        pickle.dumps({"a": [1.0]}),
    ],
    ids=lambda content: f"{len(content)} bytes" if isinstance(content, bytes) else content,
)
def test_malformed_files_are_refused(tmp_path, content):
    with pytest.raises(UserError, match="is not a safetensors file") as caught:
        _read(tmp_path / "t", content)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_duplicate_names_are_harmless(tmp_path):
    a, b = json.dumps(_entry(0, 16, [2, 2])), json.dumps(_entry(16, 28, [3]))
    try:
        back = _read(tmp_path / "t", _with_header(f'{{"a": {a}, "b": {b}, "a": {a}}}'))
    except UserError:
        return  # refusing it is just as good
    assert {name: array.shape for name, array in back.items()} == SHAPES


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": GOOD["a"]}, "tensor 'b' is missing"),
        ({**GOOD, "c": GOOD["b"]}, "tensor 'c' is unknown"),
        ({**GOOD, "b": np.ones(4, np.float32)}, r"b must be float32 or float64 of shape \(3,\), not float32 \(4,\)"),
        ({**GOOD, "b": np.ones(3, np.float16)}, "b must be float32 or float64"),
        ({**GOOD, "b": np.ones(3, np.int32)}, "b must be float32 or float64"),
        ({**GOOD, "b": np.array([1, np.nan, 2], np.float32)}, "b contains numbers that are not finite"),
        ({**GOOD, "a": np.full((2, 2), -np.inf, np.float32)}, "a contains numbers that are not finite"),
    ],
)
def test_wrong_tensors_are_refused(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        _read(tmp_path / "t", tensor_bytes(arrays))


@pytest.mark.parametrize("stated", [len(tensor_bytes(GOOD)), 1 << 40])
def test_size_is_compared_before_reading(tmp_path, monkeypatch, stated):
    (tmp_path / "t").write_bytes(b"")
    os.truncate(tmp_path / "t", 1 << 36)  # sparse, and more than the memory of the machine
    monkeypatch.setattr(regular_file, "read_bytes", None)
    with pytest.raises(UserError, match=r"t must have at most [\d,]+ bytes, and has 68,719,476,736"):
        read_tensors(tmp_path / "t", {"bytes": stated, "sha256": ""}, SHAPES)
