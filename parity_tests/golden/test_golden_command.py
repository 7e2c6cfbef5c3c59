"""The commands golden pack, names and check, and the library's doors behind them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import numpy_gpt
from gpt_data.errors import UserError
from numpy_gpt import golden_check, golden_pack
from parity_tests.shared.cli.programs import assert_rejected
from torch_gpt.cli import main as torch_gpt


def test_pack_and_check_itself(run, default_pack):
    result = run("golden", "pack", "golden")
    assert (result.status, result.err) == (0, "")
    assert result.out == "saved golden: 1,240 arrays of 3 steps; golden.tsv lists them\n"
    tensors = Path("golden/golden.safetensors").read_bytes()
    assert tensors == (default_pack.place / "golden.safetensors").read_bytes()
    small = run("golden", "pack", "small", "--steps", 1, "--level", "blocks")
    assert small.status == 0
    checked = run("golden", "check", "small", "small/golden.safetensors", "--json")
    assert checked.status == 0
    assert checked.record["schema_version"] == 1
    assert checked.record["follows"]
    assert checked.record["findings"] == []


def test_check_names_what_does_not_follow(run):
    pack = golden_pack("small", steps=1)
    dump = {name: np.array(pack.arrays[name]) for name in ("h.0.attn.q", "h.0.attn.k", "h.0.attn.scores")}
    dump["h.0.attn.scaled"] = dump["h.0.attn.scores"] / np.float32(6**0.5)  # the width, not the head's size
    np.savez("theirs.npz", **dump)
    result = run("golden", "check", "small", "theirs.npz", "--json")
    assert result.status == 1
    record = json.loads(result.out)
    assert not record["follows"]
    assert record["findings"][0]["tensor"] == "h.0.attn.scaled"
    shown = run("golden", "check", "small", "theirs.npz")
    assert shown.status == 1
    assert "h.0.attn.scaled" in shown.out
    findings = golden_check(pack, dump)
    assert [finding.tensor for finding in findings.findings] == ["h.0.attn.scaled"]
    assert golden_check("small", "theirs.npz").as_json() == findings.as_json()


def test_a_signalling_nan_is_no_warning(run):
    golden_pack("small", steps=1, level="ends")
    losses = np.array([0x7F800001], np.uint32).view(np.float32)  # converting it is an invalid operation
    np.savez("theirs.npz", loss=losses)
    result = run("golden", "check", "small", "theirs.npz", "--json")
    assert (result.status, result.err) == (1, "")


def test_map_and_dtype(run):
    pack = golden_pack("small", steps=1)
    np.savez("theirs.npz", **{"block0.q": np.array(pack.arrays["h.0.attn.q"]).swapaxes(1, 2), "L": pack.arrays["loss"]})
    Path("names.tsv").write_text("block*.q\th.*.attn.q\t0,2,1,3\nL\tloss\n")
    result = run("golden", "check", "small", "theirs.npz", "--map", "names.tsv", "--dtype", "bfloat16", "--json")
    assert result.status == 0
    assert result.record["dtype"] == "bfloat16"
    assert_rejected(run("golden", "check", "small", "theirs.npz"), "have no name in common")


def test_names_say_what_to_write_first(run):
    golden_pack("golden", steps=2)
    result = run("golden", "names", "golden")
    assert result.status == 0
    lines = result.out.splitlines()
    names = [line.split()[0] for line in lines if line.split() and line.split()[-1].startswith("(")]
    assert names[:6] == ["embedding.sum", "h.N.attn.residual", "h.N.mlp.residual", "ln_f.out", "logits", "loss"]
    assert len(names) == len(set(names))
    scores = next(line for line in lines if line.startswith("h.N.attn.scores"))
    assert scores.split() == ["h.N.attn.scores", *"4 × 2 × 5 × 5".split(), "B,H,T,S", "(8.2)", "s", "≤", "t", "only"]
    assert any("begin with step2." in line or "stepK" in line for line in lines)
    assert max(map(len, lines)) <= 100


def test_bad_input_is_one_line(run, own_pack):
    assert_rejected(run("golden", "check", "nowhere", "theirs.npz"), "there is no pack in nowhere")
    assert_rejected(run("golden", "check", "golden", "nowhere"), "cannot read nowhere")
    assert_rejected(run("golden", "pack", "new", "--model", "bigram"), "bigram is a bigram model")
    assert_rejected(run("golden", "pack", "new", "--steps", 0), "steps must be a whole number of at least 1")
    assert_rejected(run("golden", "pack", "new", "--level", "none"), "invalid choice: 'none'")
    (own_pack / "golden.safetensors").write_bytes(b"")
    assert_rejected(run("golden", "names", "golden"), "golden/golden.safetensors is damaged: it has 0 bytes of")


def test_help_fits_80_columns_where_argparse_wraps(run, capsys):
    for command in ("pack", "names", "check"):
        with pytest.raises(SystemExit) as ended:
            run("golden", command, "--help")
        assert ended.value.code == 0
        out = capsys.readouterr().out
        options = out[: out.index("examples:")].splitlines()
        assert max(len(line) for line in options if line.startswith(" ")) <= 80


def test_only_numpy_gpt_has_it(capsys):
    assert torch_gpt(["golden", "pack", "golden"]) == 2
    assert "invalid choice: 'golden'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, {}), "a path must be a string or a Path, not 3"),
        (("golden", 3), "theirs must be a mapping of names to arrays, not 3"),
        (("golden", {"loss": object()}), "'loss' has object numbers"),
        (("golden", {"loss": [[1], [2, 3]]}), "'loss' is not an array"),
    ],
)
@pytest.mark.usefixtures("own_pack")
def test_wrong_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        golden_check(*arguments)


@pytest.mark.usefixtures("own_pack")
def test_wrong_options():
    with pytest.raises(UserError, match="dtype must be one of float64, float32, bfloat16, float16, not 'int8'"):
        golden_check("golden", {}, dtype="int8")
    with pytest.raises(UserError, match="names must be"):
        golden_check("golden", {}, names=["loss"])


def test_the_doors_are_public():
    assert {"golden_pack", "golden_check"} <= set(numpy_gpt.__all__)
