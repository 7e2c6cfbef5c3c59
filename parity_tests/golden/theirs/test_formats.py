"""Every format in which a port may write its arrays, and every damage to one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from gpt_data.errors import UserError
from numpy_gpt.golden.pack.writing import header_path
from numpy_gpt.golden.theirs.formats import readers_at
from parity_tests.support.compilers import compile_c

ARRAYS = {
    "logits": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "h.0.attn.q": np.linspace(-1, 1, 6),
    "loss": np.array(2.5, np.float32),
    "tokens": np.array([[1, 2], [3, 4]], np.int32),
}


def golden_bytes(arrays, kinds) -> bytes:
    """Return what golden.h would write."""
    content = b"GOLDEN1\n"
    for name, array in arrays.items():
        dims = ",".join(map(str, array.shape)) or "-"
        content += f"{name} {kinds[array.dtype.name]} {dims}\n".encode() + np.ascontiguousarray(array).tobytes()
    return content


KINDS = {"float32": "f32", "float64": "f64", "float16": "f16", "int32": "i32", "int64": "i64"}


def write(form: str) -> Path:
    """Write ARRAYS in a format, and return its place."""
    if form == "npy":
        Path("dump").mkdir()
        for name, array in ARRAYS.items():
            np.save(f"dump/{name}.npy", array)
        Path("dump/notes.txt").write_text("not an array")
        return Path("dump")
    place = Path(f"theirs.{form}")
    if form == "npz":
        np.savez_compressed(place, **ARRAYS)
    elif form == "safetensors":
        save_file(ARRAYS, place)
    else:
        place.write_bytes(golden_bytes(ARRAYS, KINDS))
    return place


@pytest.mark.parametrize("form", ["npy", "npz", "safetensors", "golden"])
def test_formats(form):
    readers = readers_at(write(form))
    assert readers.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        found, dtype = readers[name]()
        assert np.array_equal(found, array), name
        assert found.shape == array.shape
        assert (found.dtype, dtype) == (array.dtype, array.dtype.name)


def test_one_npy_file():
    np.save("loss.npy", ARRAYS["loss"])
    assert readers_at(Path("loss.npy"))["loss"]().array == 2.5


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_npy_file_says_its_byte_order(order):
    np.savez("theirs.npz", logits=ARRAYS["logits"].astype(f"{order}f4"))
    found = readers_at(Path("theirs.npz"))["logits"]()
    assert np.array_equal(found.array, ARRAYS["logits"])
    assert found.array.dtype.isnative
    assert found.dtype == "float32"


def test_fortran_order():
    np.savez("theirs.npz", logits=np.asfortranarray(ARRAYS["logits"]))
    assert np.array_equal(readers_at(Path("theirs.npz"))["logits"]().array, ARRAYS["logits"])


@pytest.mark.parametrize("form", ["safetensors", "golden"])
def test_half_precisions(form):
    tensors = {"a": torch.tensor([1.5, -2.25], dtype=torch.bfloat16), "b": torch.tensor([0.1], dtype=torch.float16)}
    if form == "safetensors":
        save_tensors(tensors, "theirs")
        Path("theirs").rename("theirs.safetensors")
        place = Path("theirs.safetensors")
    else:
        place = Path("theirs.golden")
        bits = tensors["a"].view(torch.int16).numpy().tobytes()
        place.write_bytes(b"GOLDEN1\na bf16 2\n" + bits + b"b f16 1\n" + tensors["b"].numpy().tobytes())
    found = {name: reader() for name, reader in readers_at(place).items()}
    assert found["a"].dtype == "bfloat16"
    assert found["a"].array.dtype == np.float32
    assert found["a"].array.tolist() == [1.5, -2.25]
    assert found["b"].dtype == found["b"].array.dtype.name == "float16"


@pytest.mark.parametrize("form", ["npz", "safetensors", "golden"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.99])
def test_truncated(form, kept):
    place = write(form)
    content = place.read_bytes()
    place.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match="theirs") as raised:
        for reader in readers_at(place).values():
            reader()
    assert "\n" not in str(raised.value)


def test_a_truncated_npy_file():
    write("npy")
    path = Path("dump/logits.npy")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"dump/logits.npy cannot be read: .*; is it complete\?"):
        readers_at(Path("dump"))["logits"]()
    Path("dump/loss.npy").write_bytes(b"")
    with pytest.raises(UserError, match="is it complete"):
        readers_at(Path("dump"))["loss"]()


def test_a_header_that_claims_too_much():
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (117 - len(header)) + b"\n"
    Path("logits.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234")
    with pytest.raises(UserError, match=r"logits\.npy cannot be read"):
        readers_at(Path("logits.npy"))["logits"]()


def test_no_objects_are_unpickled():
    np.save("logits.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"logits\.npy cannot be read: Object arrays"):
        readers_at(Path("logits.npy"))["logits"]()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"loss f32 -\n1234loss f32 -\n1234", "has 'loss' twice; call golden_step"),
        (b"loss f80 -\n1234", "the dtype of 'loss' is 'f80', and must be one of 'f32'"),
        (b"loss f32 2,x\n1234", "the dims of 'loss' are '2,x'"),
        (b"loss f32 1,2,3,4,5,6,7,8,9\n1234", "the dims"),
        (b"loss f32 99999999999\n1234", "is truncated: it ends .* bytes before the end of 'loss'"),
        (b"loss f32 -\n1234logits", "is damaged after the array 'loss'"),
        (b"loss f32\n1234", "is damaged after its beginning"),
    ],
)
def test_damaged_golden_files(content, message):
    Path("theirs.golden").write_bytes(b"GOLDEN1\n" + content)
    with pytest.raises(UserError, match=message):
        readers_at(Path("theirs.golden"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "cannot read nowhere: No such file"),
        ("empty", "empty has no .npy files; give a .safetensors or .npz file"),
        ("notes.txt", "notes.txt must be a .safetensors or .npz file, a folder of"),
        ("torch.pt", "torch.pt has no arrays of NumPy; give a .safetensors"),
    ],
)
def test_other_things(name, message):
    Path("empty").mkdir()
    Path("notes.txt").write_text("my port")
    torch.save({"loss": torch.zeros(1)}, "torch.pt")
    with pytest.raises(UserError, match=message):
        readers_at(Path(name))


PROGRAM = r"""
#include "golden.h"
int main(void) {
    float logits[24], padded[2][4], loss = 2.5f;
    double q[6];
    int tokens[4] = {1, 2, 3, 4}, n;
    unsigned short half[2] = {0x3fc0, 0xc010};
    for (n = 0; n < 24; n++) logits[n] = (float)n / 7;
    for (n = 0; n < 6; n++) q[n] = n;
    for (n = 0; n < 8; n++) padded[n / 4][n % 4] = (float)n;
    golden_open("theirs.golden");
    golden_put("logits", logits, "f32", 3, (int[]){2, 3, 4}, NULL);
    golden_put("h.0.attn.q", q, "f64", 2, (int[]){3, 2}, (int[]){1, 3});
    golden_put("padded", padded, "f32", 2, (int[]){2, 3}, (int[]){4, 1});
    golden_put("loss", &loss, "f32", 0, NULL, NULL);
    golden_step(2);
    golden_put("tokens", tokens, "i32", 2, (int[]){2, 2}, NULL);
    golden_put("half", half, "bf16", 1, (int[]){2}, NULL);
    golden_close();
    return 0;
}
"""


def test_golden_h():
    Path("port.c").write_text(PROGRAM)
    assert compile_c(Path("port.c"), Path("port"), f"-I{header_path().parent}") == ""
    subprocess.run([Path("port").resolve()], check=True, timeout=60)
    found = {name: reader() for name, reader in readers_at(Path("theirs.golden")).items()}
    assert np.array_equal(found["logits"].array, np.arange(24, dtype=np.float32).reshape(2, 3, 4) / np.float32(7))
    assert found["h.0.attn.q"].array.tolist() == [[0, 3], [1, 4], [2, 5]]  # transposed by its strides
    assert found["padded"].array.tolist() == [[0, 1, 2], [4, 5, 6]]
    assert found["loss"].array.shape == ()
    assert found["step2.tokens"].array.tolist() == [[1, 2], [3, 4]]
    assert found["step2.half"].array.tolist() == [1.5, -2.25]
