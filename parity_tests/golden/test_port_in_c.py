"""The port in C that ships: it follows packs of many models, and with each of its bugs the check names the bug."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.golden.doors import golden_check, golden_pack
from numpy_gpt.golden.pack.case import case_of
from numpy_gpt.golden.pack.form import Form
from numpy_gpt.golden.pack.reading import read_pack
from numpy_gpt.golden.pack.writing import write_pack
from numpy_gpt.golden.theirs.reading import read_theirs
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.support.command import run_numpy_gpt
from parity_tests.support.compilers import compile_c

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "port-in-c" / "gpt.c"
HEADER = f"-I{ROOT / 'numpy_gpt' / 'golden'}"
BUGS = {
    1: "attention.dk_transposed",
    2: "norm.added_before",
    3: "attention.scale_width",
    4: "embedding.overwritten",
    5: "adamw.vectors_decay",
}
OPTIMIZER = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1, "grad_clip": 0.0}
VARIANTS = (
    GPTConfig(vocab_size=7, block_size=4, n_layer=1, n_head=1, n_embd=4, tie_weights=False, activation="gelu_erf"),
    GPTConfig(vocab_size=7, block_size=6, n_layer=1, n_head=3, n_embd=6, bias=False, activation="relu"),
    GPTConfig(vocab_size=5, block_size=6, n_layer=2, n_head=2, n_embd=4, bias=False, tie_weights=False),
    GPTConfig(vocab_size=5, block_size=4, n_layer=0, n_head=1, n_embd=2),
)


@pytest.fixture(scope="module")
def default_pack(tmp_path_factory):
    return golden_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "gpt"
    assert compile_c(SOURCE, path, "-O2", HEADER) == ""  # no warnings
    return path


def run(program, pack, theirs):
    """Let the port compute a pack; return what it printed."""
    done = subprocess.run([program, pack.place, theirs], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def pack_of(config, place):
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=shape) for name, shape in parameter_shapes(config).items()}
    case = case_of(config, values, OPTIMIZER, 0.01, steps=2, seed=4, batch_shape=(2, config.block_size - 1))
    write_pack(place, case, Form(dtype="float64"), {"model": "a variant", "seed": 4, "versions": {}})
    return read_pack(place)


def test_it_follows_and_writes_every_array(program, default_pack, tmp_path, capsys):
    printed = run(program, default_pack, tmp_path / "theirs.golden")
    assert printed.count("\n") == default_pack.steps
    status, out, err = run_numpy_gpt(capsys, "golden", "check", default_pack.place, tmp_path / "theirs.golden")
    assert (status, err) == (0, ""), out
    theirs = read_theirs(tmp_path / "theirs.golden", default_pack, None).arrays
    settings = ("config.", "optimizer.")
    names = [entry.name for entry in default_pack.entries if not entry.name.startswith(settings)]
    assert [name for name in names if name not in theirs and not name.endswith("learning_rate")] == []


def test_it_follows_tiny(program, tmp_path):
    pack = golden_pack(tmp_path / "tiny", "tiny")
    run(program, pack, tmp_path / "theirs.golden")
    assert golden_check(pack, tmp_path / "theirs.golden").follows


@pytest.mark.prove
@pytest.mark.parametrize("config", VARIANTS, ids=lambda config: f"{config.activation}-{config.n_layer}")
@pytest.mark.parametrize("real", ["float", "double"])
def test_it_follows_every_variant(config, real, tmp_path):
    compile_c(SOURCE, tmp_path / "gpt", HEADER, f"-Dreal={real}")
    pack = pack_of(config, tmp_path / "pack")
    run(tmp_path / "gpt", pack, tmp_path / "theirs.golden")
    findings = golden_check(pack, tmp_path / "theirs.golden")
    assert findings.follows, findings.findings
    assert findings.dtype == {"float": "float32", "double": "float64"}[real]


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_named(bug, default_pack, tmp_path):
    compile_c(SOURCE, tmp_path / "gpt", HEADER, f"-DBUG={bug}")
    run(tmp_path / "gpt", default_pack, tmp_path / "theirs.golden")
    findings = golden_check(default_pack, tmp_path / "theirs.golden").findings
    assert [[cause.id for cause in finding.causes] for finding in findings] == [[BUGS[bug]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: gpt PACK THEIRS"),
        (["nowhere", "theirs"], "no golden.tsv and golden.safetensors in nowhere"),
    ],
)
def test_bad_input_ends_with_one_line(program, arguments, message, tmp_path):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"{message}\n")


def test_another_layout_is_refused(program, tmp_path):
    golden_pack(tmp_path / "pack", "tiny", steps=1, layout="torch")
    done = subprocess.run(
        [program, tmp_path / "pack", tmp_path / "theirs"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "matrices (in, out) only" in done.stderr


def test_it_is_one_short_file_that_cites_equations_that_exist():
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert max(map(len, text.splitlines())) <= 120
    derivations = (ROOT / "docs" / "derivations.md").read_text(encoding="utf-8")
    cited = set(re.findall(r"\((\d+\.\d+)\)", text))
    assert len(cited) > 60
    assert cited <= set(re.findall(r"^\((\d+\.\d+)\)", derivations, re.MULTILINE))
