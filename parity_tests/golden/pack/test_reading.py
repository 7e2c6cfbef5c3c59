"""Reading a pack: what is damaged is refused in one line, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.files.sealed_json import seal
from numpy_gpt import golden_pack
from numpy_gpt.golden.pack.case import default_case
from numpy_gpt.golden.pack.form import SHIPPED_PACKS
from numpy_gpt.golden.pack.reading import read_pack
from numpy_gpt.golden.pack.recording import record_case


def test_what_is_read_is_what_was_recorded(default_pack):
    kept: dict = {}
    record_case(default_case(3, 270), lambda name, array: kept.__setitem__(name, np.array(array)))
    pack = read_pack(default_pack.place)
    for name, array in pack.arrays.items():
        assert np.array_equal(array, kept[name].astype(array.dtype)), name
    assert len(pack.arrays) == len(pack.entries)
    assert "h.9.attn.q" not in pack.arrays
    assert "golden of 1,240 arrays" in repr(pack)


@pytest.mark.parametrize("name", SHIPPED_PACKS)
def test_the_packs_that_ship_are_what_is_computed(name, default_pack):
    shipped = read_pack(name)
    fresh = default_pack if name == "gpt2" else golden_pack("fresh", name)
    assert shipped.place.name == name
    assert shipped.entries == fresh.entries
    for file in ("golden.tsv", "golden.h"):
        assert (shipped.place / file).read_bytes() == (fresh.place / file).read_bytes()
    for array in fresh.arrays:
        ours, theirs = fresh.arrays[array], shipped.arrays[array]
        rounding = 2.0**-23 * np.max(np.abs(ours), where=np.isfinite(ours), initial=0)
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=rounding, err_msg=array)


def test_a_directory_of_the_name_of_a_shipped_pack_goes_first(small):
    small.place.rename("gpt2")
    assert read_pack("gpt2").steps == 1


def test_no_pack():
    with pytest.raises(UserError, match="there is no pack in nowhere: give a directory that `numpy_gpt golden pack`"):
        read_pack("nowhere")
    with pytest.raises(UserError, match="a path must not be empty"):
        read_pack("")


@pytest.mark.parametrize("name", ["golden.safetensors", "golden.tsv", "golden.json"])
@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
def test_damage_is_noticed(own_pack, name, damage):
    path = own_pack / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
        message = "there is no pack in golden" if name == "golden.json" else f"cannot read golden/{name}"
    else:
        path.write_bytes(content if damage == "changed" else content[:-1])
        message = f"golden/{name} .*; write the pack again"
    with pytest.raises(UserError, match=message) as raised:
        read_pack("golden")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 2, "is not this release's: 'step3"),
        ("level", "some", "unknown"),
        ("layout", "torch", "is not this release's: 'clipped.h.0.attn.c_attn.weight' is"),
        ("batch", 0, "batch"),
        ("config", {"n_layer": 3}, "config"),
        ("format", "something", "is not a pack's"),
        ("format_version", 2, "format_version 1, not 2"),
        ("learning_rates", "fast", "learning_rates"),
    ],
)
def test_a_record_that_does_not_fit_its_files(own_pack, field, value, message):
    record = json.loads((own_pack / "golden.json").read_text()) | {field: value}
    del record["sha256"]
    Path("golden/golden.json").write_bytes(seal(record))
    with pytest.raises(UserError, match=message):
        read_pack("golden")
