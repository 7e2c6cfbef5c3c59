"""No file runs code, hangs, or fills the memory; whatever is wrong with it is said in one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_data.errors import UserError
from numpy_gpt.shared.interchange.reading.place import read_foreign
from numpy_gpt.shared.interchange.reading.safetensors_file import read_safetensors
from numpy_gpt.shared.interchange.reading.torch_file import read_torch_file
from parity_tests.gpt_data.refusals import refusal
from parity_tests.shared.interchange.foreign_files import (
    NANOGPT,
    config_of,
    linear_state_dict,
    random_values,
    write_llmc,
    write_nanogpt,
)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, call, *arguments):
        self._reduced = (call, arguments)

    def __reduce__(self):
        return self._reduced


def saved(config=None, **changes):
    """Return what a checkpoint of nanoGPT contains, with changes."""
    config = config or config_of(**NANOGPT)
    names = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
    arguments = {name: getattr(config, name) for name in names}
    state = linear_state_dict(random_values(config))
    return {"model": state, "model_args": arguments, "iter_num": 1, **changes}


def refused(path, content):
    """Return the one line about a file with this content, a checkpoint or bytes."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    message = refusal(read_foreign, path)
    assert "\n" not in message and len(message) < 700 + 2 * len(str(path))
    return message


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path, zipped, protocol):
    marker, path = tmp_path / "marker", tmp_path / "ckpt.pt"
    for evil in (
        Evil(os.system, f"touch {marker}"),
        Evil(eval, f"open({str(marker)!r}, 'w')"),
        Evil(os.mkdir, str(marker)),
        Evil(getattr, "text", "upper"),
    ):
        for content in (evil, saved(config=None, evil=evil), saved(model_args=evil), {evil: 1}):
            torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
            message = refusal(read_foreign, path)
            assert "which no state dict needs" in message, message
            assert not marker.exists()


@pytest.mark.parametrize("calls", [b"cos\nsystem\n", b"cbuiltins\nexec\n", b"ctorch.serialization\nload\n"])
def test_other_instructions_do_nothing_either(tmp_path, calls):
    marker = tmp_path / "marker"
    argument = f"touch {marker}".encode()
    for tail in (b"(S'" + argument + b"'\ntR.", b"(" + calls + b"S'x'\no.", b")\x81.", b"(S'x'\nios\nsystem\n."):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + calls + tail)
        refused(tmp_path / "ckpt.pt", content.getvalue())
        assert not marker.exists()


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(data, tmp_path_factory):
    """Flip bytes or cut: a checksum or a check of the content notices it, or the file has lost nothing."""
    folder = tmp_path_factory.mktemp("damage")
    kind = data.draw(st.sampled_from(["zip", "legacy", "llmc", "safetensors"]))
    config = config_of(n_layer=1, **(NANOGPT if kind != "llmc" else {}))
    path = folder / {"llmc": "m.bin", "safetensors": "model.safetensors"}.get(kind, "ckpt.pt")
    values = random_values(config)
    if kind == "llmc":
        write_llmc(path, config, values, multiple=1)
    elif kind == "safetensors":
        path.write_bytes(_safetensors(values))
        sizes = {
            "vocab_size": 11,
            "n_positions": 6,
            "n_embd": 8,
            "n_layer": 1,
            "n_head": 2,
            "activation_function": "gelu",
        }
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}))
    else:
        write_nanogpt(path, config, values, zipped=kind == "zip")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            beginning = data.draw(st.booleans())
            place = data.draw(st.integers(0, min(len(content), 2500) - 1 if beginning else len(content) - 1))
            content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read_foreign(path)
    except UserError as error:
        assert "\n" not in str(error)


def _safetensors(tensors, **changes):
    header, body = {}, b""
    for name, value in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + value.nbytes],
        }
        body += value.tobytes()
    text = json.dumps(header | changes).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}, "do not fit"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 2**50]}, "do not fit"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}, "do not fit"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "impossible"),
        ({"dtype": "F32", "shape": [True], "data_offsets": [0, 8]}, "impossible"),
        ({"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}, "'F8_E4M3'"),
        ({"dtype": "F32"}, "must have dtype, shape and data_offsets"),
        (7, "must have dtype, shape and data_offsets"),
    ],
)
def test_lying_headers(tmp_path, entry, message):
    path = tmp_path / "x.safetensors"
    path.write_bytes(_safetensors({"a": np.zeros(2, "f4")}, b=entry))
    assert message in refusal(read_safetensors, path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x01", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 4) + b"\xff{}\n"],
)
def test_impossible_headers(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    refusal(read_safetensors, path)


def test_a_tensor_given_twice(tmp_path):
    path, entry = tmp_path / "x.safetensors", '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    text = f'{{"a":{entry},"a":{entry}}}'.encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    assert "has 'a' twice" in refusal(read_safetensors, path)
    state = saved()
    state["model"]["module.transformer.wte.weight"] = torch.ones(11, 8)
    assert "has wte.weight twice" in refused(tmp_path / "ckpt.pt", state)


def test_wrong_tensors(tmp_path):
    path = tmp_path / "ckpt.pt"

    def change(name, tensor):
        state = saved()
        state["model"][name] = tensor
        return refused(path, state)

    state = saved()
    del state["model"]["transformer.wpe.weight"]
    assert "has no 'wpe.weight'" in refused(path, state)
    assert "has 'h.0.rotary', for which" in change("transformer.h.0.rotary", torch.ones(2))
    assert "wpe.weight must be floating-point numbers of shape (6, 8), not int64 (6, 8)" in change(
        "transformer.wpe.weight", torch.ones(6, 8, dtype=torch.int64)
    )
    assert "of shape (24, 8), not float32 (8, 24)" in change("transformer.h.0.attn.c_attn.weight", torch.ones(8, 24))
    assert "wpe.weight contains numbers that are not finite" in change(
        "transformer.wpe.weight", torch.full((6, 8), torch.nan)
    )
    assert "must be a causal mask" in change("transformer.h.0.attn.bias", torch.ones(1, 1, 6, 6))
    assert "must be -10,000 or less" in change("transformer.h.0.attn.masked_bias", torch.tensor(-3.0))
    assert "model_args has 'rotary'" in refused(path, saved(model_args={"rotary": 1}))
    assert "must be a tensor, not int" in refused(path, saved(model={"a": 1}))
    assert "not 'many'" in refused(path, saved(iter_num="many"))


def test_memory_is_bounded(tmp_path):
    """A few hundred bytes cannot ask for terabytes, by strides of 0, by a config or by a huge memo."""
    path = tmp_path / "ckpt.pt"
    huge = config_of(vocab_size=2**30, **NANOGPT)
    state = saved()
    state["model"]["transformer.wte.weight"] = torch.ones(1, 1).expand(2**30, 8)
    state["model_args"]["vocab_size"] = huge.vocab_size
    content = [state, saved(model_args=saved()["model_args"] | {"n_layer": 9000, "n_embd": 4096})]
    masks = saved()
    masks["model"]["transformer.h.0.attn.bias"] = torch.ones(1, 1, 1, 1).expand(1, 1, 2**20, 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    messages = [refused(path, one) for one in (*content, masks)]
    assert "too many for it" in messages[0] and "too many for it" in messages[1] and "causal mask" in messages[2]
    memo = io.BytesIO()
    with zipfile.ZipFile(memo, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02Nr\xff\xff\xff\x7f.")
    refused(path, memo.getvalue())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_compressed_and_foreign_archives(tmp_path):
    path, content = tmp_path / "ckpt.pt", io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": "b" * 10**6}, 2))
    assert "larger than the file" in refused(path, content.getvalue())
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("text.txt", "hello")
    assert "has no data.pkl" in refused(path, content.getvalue())
    for nonsense in (b"hello", bytes(100), b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(200)):
        refused(path, nonsense)


def test_strides_outside_their_storage(tmp_path):
    path, tensor = tmp_path / "x.pt", torch.arange(6.0)
    torch.save({"a": tensor}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    root = next(name for name in entries if name.endswith("data.pkl"))
    assert entries[root].count(b"K\x06\x85") == 1  # its shape, (6,)
    for shape in (b"K\x07\x85", b"K\xff\x85"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content.replace(b"K\x06\x85", shape) if name == root else content)
        assert "reaches beyond its storage" in refusal(read_torch_file, path)


def test_shards(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    index = tmp_path / "model.safetensors.index.json"
    for weight_map, message in (
        ({"a": "../x.safetensors"}, "must be the name of a file next to it"),
        ({"a": "/etc/passwd"}, "must be the name of a file next to it"),
        ({"a": 3}, "must be the name of a file next to it"),
        ({"a": "missing.safetensors"}, "No such file"),
        ([], "must have a weight_map"),
    ):
        index.write_text(json.dumps({"weight_map": weight_map}))
        assert message in refusal(read_foreign, tmp_path)
    index.write_text("{")
    assert "must be JSON" in refusal(read_foreign, tmp_path)


def test_llmc_headers(tmp_path):
    path, config = tmp_path / "m.bin", config_of()
    content = write_llmc(path, config, random_values(config)).read_bytes()

    def with_number(place, number):
        return content[: 4 * place] + struct.pack("<i", number) + content[4 * place + 4 :]

    assert "has version 1" in refused(path, with_number(1, 1))
    for place, number in [(2, -1), (2, 2**30), (3, 0), (4, 2**30), (5, 3), (6, 2**30), (7, 3), (7, 2**30)]:
        refused(path, with_number(place, number))
    for wrong in (content[:-1], content + b"\0", content[:500], content[:1024]):
        assert "bytes" in refused(path, wrong)
