"""A pack's files: what other programs read of them, its levels and layouts, and the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gpt_data.errors import UserError
from numpy_gpt import golden_pack
from numpy_gpt.golden.graph import Graph
from numpy_gpt.golden.pack.form import LEVELS
from numpy_gpt.golden.pack.layouts import is_stored_transposed
from numpy_gpt.shared.interchange.llmc_format import names_in_order

DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4"}
FILES = ("golden.h", "golden.json", "golden.safetensors", "golden.tsv")


def table(directory) -> list[dict[str, str]]:
    titles, *lines = (Path(directory) / "golden.tsv").read_text().splitlines()
    assert titles == "offset\tdtype\tdims\tname\tequation\taxes\tskip"
    return [dict(zip(titles.split("\t"), line.split("\t"), strict=True)) for line in lines]


def by_table(directory) -> dict[str, np.ndarray]:
    """Read every array as a C program does: by its offset in the file, and nothing else."""
    content, found = (Path(directory) / "golden.safetensors").read_bytes(), {}
    for row in table(directory):
        dims = [] if row["dims"] == "-" else [int(size) for size in row["dims"].split(",")]
        count = int(np.prod(dims, dtype=int))
        numbers = np.frombuffer(content, DTYPES[row["dtype"]], count, int(row["offset"]))
        found[row["name"]] = numbers.reshape(dims)
    return found


def test_the_safetensors_library_reads_what_the_table_says(default_pack, arrays):
    library, read = load_file(default_pack.place / "golden.safetensors"), by_table(default_pack.place)
    assert library.keys() == read.keys() == arrays.keys()
    for name, array in read.items():
        assert np.array_equal(library[name], array), name
        assert np.array_equal(arrays[name], array), name
        assert arrays[name].dtype == array.dtype


def test_the_table_is_in_the_order_of_computation(default_pack):
    rows = {row["name"]: row for row in table(default_pack.place)}
    nodes = Graph(default_pack.config, default_pack.batch, default_pack.time, default_pack.steps).nodes
    assert [name for name in rows if name in nodes] == [name for name in nodes if name in rows]
    others = [name for name in rows if name not in nodes]
    assert all(name.startswith(("config.", "optimizer.")) or name.endswith("learning_rate") for name in others)
    settings = list(rows)[: len(others) - default_pack.steps + 1]
    assert settings[-1] == "learning_rate"
    assert rows["h.0.attn.scores"] | {"offset": ""} == {
        **{"offset": "", "dtype": "F32", "dims": "4,2,5,5", "name": "h.0.attn.scores"},
        **{"equation": "8.2", "axes": "B,H,T,S", "skip": "future"},
    }
    assert rows["loss"]["dims"] == rows["config.n_head"]["axes"] == rows["wte.weight"]["equation"] == "-"
    assert all(int(row["offset"]) % (8 if row["dtype"] == "F64" else 4) == 0 for row in rows.values())


def test_settings_need_no_json(arrays, default_pack):
    config = default_pack.config
    assert arrays["config.n_head"] == config.n_head
    assert arrays["config.activation"] == 0
    assert arrays["config.layer_norm_epsilon"] == config.layer_norm_epsilon
    assert arrays["optimizer.beta2"] == default_pack.optimizer["beta2"]
    assert [arrays["learning_rate"], arrays["step2.learning_rate"]] == default_pack.learning_rates[:2]
    kinds = {name: arrays[name].dtype.name for name in arrays if name.startswith(("config.", "optimizer."))}
    assert {name for name, kind in kinds.items() if kind == "float64"} == {
        "config.layer_norm_epsilon",
        *(f"optimizer.{name}" for name in default_pack.optimizer),
    }
    assert set(kinds.values()) == {"float64", "int32"}


def test_the_same_bytes_every_time(default_pack):
    golden_pack("again")
    assert sorted(path.name for path in Path("again").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (Path("again") / name).read_bytes() == (default_pack.place / name).read_bytes(), name


def test_other_files_are_left_alone_and_ours_replaced(own_pack):
    (own_pack / "my_port.c").write_text("int main;")
    before = (own_pack / "golden.json").read_bytes()
    golden_pack(own_pack, steps=1)
    assert (own_pack / "my_port.c").read_text() == "int main;"
    assert (own_pack / "golden.json").read_bytes() != before


def test_levels_are_nested(default_pack):
    names = {level: set(golden_pack(level, level=level, steps=2).arrays) for level in LEVELS}
    assert names["ends"] < names["blocks"] < names["all"] < set(default_pack.arrays)
    assert {"logits", "loss", "h.2.mlp.c_fc.dweight", "step2.updated.wte.weight"} <= names["ends"]
    assert "h.1.mlp.residual" in names["blocks"] - names["ends"]
    assert {"step2.h.1.attn.dresidual", "m.wte.weight"} <= names["blocks"]
    assert not any(".softmax." in name for name in names["blocks"])


@pytest.mark.parametrize("layout", ["torch", "llm.c"])
def test_layouts(layout, arrays):
    pack = golden_pack("other", layout=layout, steps=2, level="blocks")
    stored = by_table("other")
    assert stored.keys() == pack.arrays.keys()
    for name, array in stored.items():
        transposed = array.shape != arrays[name].shape or is_stored_transposed(name, layout)
        assert np.array_equal(array.T if transposed else array, arrays[name]), name
        assert np.array_equal(pack.arrays[name], arrays[name]), name
    assert {row["name"]: row["axes"] for row in table("other")}["step2.m.h.0.mlp.c_fc.weight"] == "F,C"
    swapped = {name for name in stored if is_stored_transposed(name, layout)}
    for name in ("h.1.attn.c_proj.weight", "h.1.attn.c_proj.dweight", "step2.clipped.h.0.attn.c_attn.weight"):
        assert name in swapped
    for name in ("wte.weight", "wte.dweight", "head.dweight", "logits", "h.0.ln_1.weight", "h.0.mlp.c_fc.bias"):
        assert name not in swapped


def test_torchs_layout_is_that_of_linear():
    pack = golden_pack("other", layout="torch", steps=1)
    stored = by_table("other")
    linear = torch.nn.Linear(pack.config.n_embd, pack.config.n_hidden)
    linear.load_state_dict(
        {part: torch.from_numpy(stored[f"h.0.mlp.c_fc.{part}"].copy()) for part in ("weight", "bias")}
    )
    hidden = linear(torch.from_numpy(stored["h.0.ln_2.out"].copy())).detach().numpy()
    assert np.allclose(hidden, stored["h.0.mlp.hidden"], atol=1e-5)


def test_llmcs_layout_is_read_at_once():
    pack = golden_pack("other", layout="llm.c", steps=2, level="blocks")
    rows, content = {row["name"]: row for row in table("other")}, Path("other/golden.safetensors").read_bytes()
    names, stored = names_in_order(pack.config), by_table("other")
    for prefix in ("", "m.", "step2.updated."):
        place = int(rows[f"{prefix}wte.weight"]["offset"])
        memory = np.frombuffer(content, "<f4", pack.config.parameter_count, place)
        assert np.array_equal(memory, np.concatenate([stored[prefix + name].ravel() for name in names]))


def test_float64(arrays):
    pack = golden_pack("wide", dtype="float64", steps=1)
    for name, array in pack.arrays.items():
        assert np.array_equal(array.astype(arrays[name].dtype), arrays[name]), name
    assert pack.arrays["h.0.attn.q"].dtype == np.float64
    assert np.array_equal(pack.arrays["wte.weight"], arrays["wte.weight"])  # exactly float32 numbers


def test_the_record(default_pack):
    record = json.loads((default_pack.place / "golden.json").read_text())
    assert record["config"]["n_embd"] == 6
    assert record["tolerance"].keys() == {"float32", "bfloat16", "float16"}
    assert set(record["files"]) == {"golden.safetensors", "golden.tsv"}


def test_a_pack_that_cannot_be_written_leaves_nothing():
    Path("file").write_text("")
    with pytest.raises(UserError, match="cannot make the directory file"):
        golden_pack("file")
    Path("golden").mkdir()
    (Path("golden") / "golden.tsv").mkdir()
    with pytest.raises(UserError, match=r"golden\.tsv: it is not a regular file"):
        golden_pack("golden")
    assert [path.name for path in Path("golden").iterdir()] == ["golden.tsv"]
