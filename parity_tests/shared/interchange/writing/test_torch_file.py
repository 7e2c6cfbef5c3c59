"""Files of torch that NumPy writes: torch reads them, the bytes are always the same."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt.shared.interchange.writing.pickle_bytes import pickle_bytes
from numpy_gpt.shared.interchange.writing.torch_file import torch_file

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: (
        st.lists(values, max_size=5).map(tuple) | st.dictionaries(st.text() | st.integers(), values, max_size=5)
    ),
    max_leaves=20,
)
SHARED = np.arange(12, dtype=np.float32).reshape(3, 4)
VALUE = {
    "model": {"a": SHARED, "b": SHARED, "transposed": SHARED.T, "wide": np.array([0.1, 1e-300])},
    "empty": np.zeros((0, 3), np.float32),
    "number": np.array(2.5),
    "plain": (1, -(2**40), True, None, 1.5, "é☃", {"n_layer": 2}),
}


@given(PLAIN)
def test_pickles_are_what_python_reads(value):
    content = pickle_bytes(value)
    assert pickle.loads(content) == value
    assert content == pickle_bytes(pickle.loads(content))


def test_a_long_dict_is_read():
    value = {index: f"token {index}" for index in range(2500)}
    assert pickle.loads(pickle_bytes(value)) == value


def test_only_plain_values_are_pickled():
    with pytest.raises(TypeError, match="a set is not a plain value"):
        pickle_bytes({"a": {1}})


@pytest.mark.parametrize("weights_only", [True, False])
def test_torch_reads_the_file(weights_only):
    content = torch_file(VALUE)
    loaded = torch.load(io.BytesIO(content), weights_only=weights_only)
    assert loaded["plain"] == VALUE["plain"]
    arrays = {**VALUE["model"], "empty": VALUE["empty"], "number": VALUE["number"]}
    tensors = {**loaded["model"], "empty": loaded["empty"], "number": loaded["number"]}
    assert list(tensors) == list(arrays)
    for name, array in arrays.items():
        assert tensors[name].is_contiguous() and not tensors[name].requires_grad
        assert tensors[name].numpy().dtype == array.dtype and np.array_equal(tensors[name].numpy(), array)
    assert loaded["model"]["a"].data_ptr() == loaded["model"]["b"].data_ptr() != loaded["model"]["wide"].data_ptr()


def test_the_bytes_are_always_the_same():
    content = torch_file(VALUE)
    assert content == torch_file(VALUE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = archive.infolist()
        assert {record.date_time for record in records} == {(1980, 1, 1, 0, 0, 0)}
        assert {record.compress_type for record in records} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None
    for record in records:
        name, extra = record.filename, content[record.header_offset + 28 :][:2]
        assert (record.header_offset + 30 + len(name) + int.from_bytes(extra, "little")) % 64 == 0
