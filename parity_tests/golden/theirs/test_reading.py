"""A port's arrays under our names and in our layout; what does not fit the pack is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gpt_data.errors import UserError
from numpy_gpt import golden_pack
from numpy_gpt.golden.theirs.names import read_name_map
from numpy_gpt.golden.theirs.reading import read_theirs


def read(pack, arrays, names=None):
    """Return what is read of arrays in a file."""
    np.savez("theirs.npz", **arrays)
    return read_theirs("theirs.npz", pack, names)


def refused(pack, arrays, names=None) -> str:
    """Return the message of arrays that are refused."""
    with pytest.raises(UserError) as raised:
        read(pack, arrays, names)
    message = str(raised.value)
    assert "\n" not in message
    return message


def table(text: str):
    """Return what a table of names says."""
    Path("names.tsv").write_text(text)
    return read_name_map("names.tsv")


def test_the_pack_itself(default_pack, arrays):
    theirs = read_theirs(default_pack.place / "golden.safetensors", default_pack)
    computed = {entry.name for entry in default_pack.entries if entry.equation != "-"}
    assert computed <= set(theirs.arrays)
    assert all(np.array_equal(array, arrays[name]) for name, array in theirs.arrays.items())
    assert theirs.dtype is None
    assert set(theirs.dtypes.values()) == {"float32"}


@pytest.mark.parametrize("layout", ["torch", "llm.c"])
def test_a_port_of_the_packs_layout(layout, arrays):
    pack = golden_pack("other", layout=layout, steps=1)
    theirs = read_theirs("other/golden.safetensors", pack)
    assert all(np.array_equal(array, arrays[name]) for name, array in theirs.arrays.items())


def test_any_subset_and_any_order(default_pack, arrays):
    names = ["step2.loss", "logits", "h.0.attn.q", "step1.h.1.attn.k"]
    theirs = read(default_pack, {name: arrays[name.removeprefix("step1.")] for name in names})
    assert list(theirs.arrays) == ["h.0.attn.q", "h.1.attn.k", "logits", "step2.loss"]


def test_their_own_names(default_pack, arrays):
    lines = ["# my port", "", "block*/query\th.*.attn.q\t0,2,1,3", "fc.w\th.0.mlp.c_fc.weight\t(out,in)"]
    names = table("\n".join([*lines, "L\tloss", "same\tlogits\t0,1,2"]))
    dump = {
        "block1/query": arrays["h.1.attn.q"].swapaxes(1, 2),
        "step2.block2/query": arrays["step2.h.2.attn.q"].swapaxes(1, 2),
        "fc.w": arrays["h.0.mlp.c_fc.weight"].T,
        "L": arrays["loss"].reshape(1),
        "same": arrays["logits"],
        "losses": arrays["losses"],  # ours already
    }
    theirs = read(default_pack, dump, names)
    assert theirs.arrays.keys() == {
        *("h.1.attn.q", "step2.h.2.attn.q", "h.0.mlp.c_fc.weight", "loss", "logits", "losses"),
    }
    assert all(np.array_equal(array, arrays[name]) for name, array in theirs.arrays.items())
    assert read(default_pack, {"mine": arrays["loss"]}, {"mine": "loss"}).arrays.keys() == {"loss"}


def test_a_permutation_of_three_axes(small):
    logits = small.arrays["logits"]
    names = table("logits\tlogits\t2,0,1\n")  # the port has (V, B, T)
    assert np.array_equal(read(small, {"logits": np.transpose(logits, (2, 0, 1))}, names).arrays["logits"], logits)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("logits", "line 1 of names.tsv must be their name, a tab, and our name, not 'logits'"),
        ("a\tlogits\t(in,out)", "the order of axes must be (out,in), or like 0,2,1,3, not '(in,out)'"),
        ("a\tlogits\t0,2", "not '0,2'"),
        ("a\tlogits\t0\tb", "must be their name"),
        ("a\tloss\na\tlogits", "line 2 of names.tsv has 'a', which an earlier line has already"),
    ],
)
def test_tables_that_say_nothing(line, message):
    with pytest.raises(UserError) as raised:
        table(line)
    assert message in str(raised.value)


def test_unknown_names(default_pack, arrays):
    one = refused(default_pack, {"h.0.attn.qq": arrays["h.0.attn.q"], "loss": arrays["loss"]})
    assert one == "theirs.npz: unknown name 'h.0.attn.qq'; did you mean 'h.0.attn.q'?"
    several = {"h.0.attn.scoress": arrays["loss"], "xyzzy": arrays["loss"], "loss": arrays["loss"]}
    assert "unknown name 'h.0.attn.scoress' and 1 more; did you mean 'h.0.attn.scores'?" in refused(
        default_pack, several
    )
    translated = refused(default_pack, {"mine": arrays["loss"], "loss": arrays["loss"]}, {"mine": "los"})
    assert "unknown name 'mine'" in translated
    assert "did you mean 'loss'?" in translated


def test_steps_that_the_pack_does_not_have(default_pack, arrays):
    message = refused(default_pack, {"step4.loss": arrays["loss"]})
    assert message == "theirs.npz has 'step4.loss', and the pack has 3 steps; write one with more --steps"


def test_nothing_in_common(default_pack):
    message = refused(default_pack, {"xyzzy": np.zeros(3, np.float32)})
    assert message.startswith("theirs.npz and the pack have no name in common, 'xyzzy' for one; ")
    assert "--map names.tsv" in message
    assert "has 0 arrays, and nothing that a port computes" in refused(default_pack, {})


def test_only_what_the_pack_gave(default_pack, arrays):
    given = {name: arrays[name] for name in ("tokens", "config.n_head", "wte.weight")}
    assert "has 3 arrays, and nothing that a port computes" in refused(default_pack, given)


@pytest.mark.parametrize(
    ("name", "order", "message"),
    [
        ("h.0.mlp.c_fc.dweight", (1, 0), "has shape (24, 6), and must have (6, 24) (C, F): transposed, it fits"),
        ("h.0.attn.q", (0, 2, 1, 3), "in the order (B, T, H, D) it would fit; write it so, or --map it with 0,2,1,3"),
        ("logits", (2, 0, 1), "in the order (V, B, T) it would fit; write it so, or --map it with 2,0,1"),
    ],
)
def test_shapes_that_a_transposition_fits(default_pack, arrays, name, order, message):
    assert message in refused(default_pack, {name: np.transpose(arrays[name], order)})


def test_other_shapes(default_pack, arrays):
    flat = refused(default_pack, {"logits": arrays["logits"].reshape(20, 11)})
    assert "has shape (20, 11), and must have (4, 5, 11) (B, T, V): it has as many numbers; give these dims" in flat
    other = refused(default_pack, {"logits": arrays["logits"][:2]})
    assert "has shape (2, 5, 11), and must have (4, 5, 11)" in other
    assert "is the pack of the same config and batch?" in other
    assert "must have () (one number)" in refused(default_pack, {"loss": arrays["losses"]})
    axes = refused(default_pack, {"a": arrays["loss"]}, table("a\tloss\t1,0\n"))
    assert "has 0 axes, not the 2 whose order is given" in axes


def test_a_transposed_matrix_says_which_layout(arrays):
    pack = golden_pack("other", layout="torch", steps=1, level="ends")
    message = refused(pack, {"h.0.mlp.c_fc.dweight": arrays["h.0.mlp.c_fc.dweight"]})
    assert "has shape (6, 24), and must have (24, 6) (F, C): transposed, it fits" in message
    hinted = table("h.0.mlp.c_fc.dweight\th.0.mlp.c_fc.dweight\t0,1\n")  # in our order whatever the pack's
    assert read(pack, {"h.0.mlp.c_fc.dweight": arrays["h.0.mlp.c_fc.dweight"]}, hinted).arrays


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool", "uint8", "longdouble"])
def test_dtypes_that_are_refused(default_pack, arrays, dtype):
    message = refused(default_pack, {"logits": arrays["logits"].astype(dtype)})
    assert f"'logits' has {np.dtype(dtype).name} numbers, and must have one of float64, float32, bfloat16" in message


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4"])
def test_dtypes_that_are_not(default_pack, arrays, dtype):
    theirs = read(default_pack, {"logits": arrays["logits"].astype(dtype)})
    assert theirs.arrays["logits"].dtype == np.dtype(dtype).newbyteorder("=")
    assert theirs.dtype == ("float16" if dtype == "float16" else None)


def test_nan_is_not_refused(default_pack, arrays):
    logits = np.where(arrays["logits"] > 1, np.nan, arrays["logits"])
    assert np.isnan(read(default_pack, {"logits": logits}).arrays["logits"]).any()


def test_a_port_on_another_text(default_pack, arrays):
    message = refused(default_pack, {"loss": arrays["loss"], "targets": arrays["tokens"]})
    assert "'targets' differ from the pack's; the port must compute on the pack's text" in message
    assert read(default_pack, {"loss": arrays["loss"], "tokens": arrays["tokens"].astype(np.int64)}).arrays


def test_a_pack_of_another_config(default_pack, arrays):
    message = refused(default_pack, {"loss": arrays["loss"], "config.n_layer": np.int32(12)})
    assert "'config.n_layer' is 12, and the pack's is 3; is it of a pack of another config?" in message
    rate = refused(default_pack, {"loss": arrays["loss"], "learning_rate": np.float32(1)})
    assert "'learning_rate' is 1.0, and the pack's is 0.01; the port must use the pack's" in rate
    right = {"loss": arrays["loss"], "learning_rate": np.float32(arrays["learning_rate"])}
    assert read(default_pack, right).arrays.keys() == {"loss"}


def test_one_array_twice(default_pack, arrays):
    both = {"step1.loss": arrays["loss"], "loss": arrays["loss"]}
    assert "'step1.loss' and 'loss' are both 'loss'; leave one out" in refused(default_pack, both)


def test_masks(tmp_path):
    pack = golden_pack("golden", "tiny16", steps=1)
    names = ["mask.embedding.dropout", "embedding.sum", "embedding.dropout"]
    dump = {name: np.array(pack.arrays[name]) for name in names}
    save_file(dump, "theirs.safetensors")
    assert read_theirs("theirs.safetensors", pack).arrays.keys() == set(names[1:])
    dump[names[0]] = 1 - dump[names[0]]
    assert "'mask.embedding.dropout' is not the pack's; the port must use the pack's" in refused(pack, dump)
