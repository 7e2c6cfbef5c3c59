"""The port in C that ships: it follows packs of many models, and with each of its bugs the check names the bug."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from numpy_gpt.golden.check.checking import check
from numpy_gpt.golden.doors import golden_check, golden_pack
from numpy_gpt.golden.pack.case import default_case
from numpy_gpt.golden.pack.form import Form
from numpy_gpt.golden.pack.reading import read_pack
from numpy_gpt.golden.pack.writing import write_pack
from numpy_gpt.golden.theirs.golden_file import read_golden_file
from numpy_gpt.golden.theirs.reading import read_theirs
from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.support.command import run_numpy_gpt
from parity_tests.support.compilers import compile_c

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "port-in-c" / "gpt.c"
GUIDE = (ROOT / "docs" / "check-a-port.md").read_text(encoding="utf-8")
HEADER = f"-I{ROOT / 'numpy_gpt' / 'golden'}"
BUGS = {
    1: "attention.dk_transposed",
    2: "norm.added_before",
    3: "attention.scale_width",
    4: "embedding.overwritten",
    5: "adamw.vectors_decay",
}
VARIANTS = (
    GPTConfig(vocab_size=7, block_size=5, n_layer=1, n_head=1, n_embd=4, tie_weights=False, activation="gelu_erf"),
    GPTConfig(vocab_size=7, block_size=6, n_layer=1, n_head=3, n_embd=6, bias=False, activation="relu"),
    GPTConfig(vocab_size=5, block_size=6, n_layer=2, n_head=2, n_embd=4, bias=False, tie_weights=False),
    GPTConfig(vocab_size=5, block_size=6, n_layer=0, n_head=1, n_embd=2),
)


@pytest.fixture(scope="module")
def shipped():
    return read_pack("gpt2")


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


def assert_losses_in_guide(printed, mistake):
    """Compare the losses that a port printed with those of the guide, which have four decimals."""
    row = next(line for line in GUIDE.splitlines() if line.startswith(f"| {mistake} |"))
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", printed)]
    assert losses == pytest.approx([float(loss) for loss in row.split("|")[2:5]], rel=0, abs=6e-5)


def pack_of(config, place):
    case = default_case(steps=2, seed=4, config=config)
    write_pack(place, case, Form(dtype="float64"), {"model": "a variant", "seed": 4, "versions": {}})
    return read_pack(place)


def test_it_follows_and_writes_every_array(program, shipped, tmp_path, capsys):
    printed = run(program, shipped, tmp_path / "theirs.golden")
    assert_losses_in_guide(printed, "none")
    status, out, err = run_numpy_gpt(capsys, "golden", "check", shipped.place, tmp_path / "theirs.golden")
    assert (status, err) == (0, ""), out
    written = read_golden_file(tmp_path / "theirs.golden")
    missing = [name for name in shipped.arrays if name not in written]
    assert all(name.startswith(("config.", "optimizer.")) or name.endswith("learning_rate") for name in missing)


def test_it_follows_tiny(program, tmp_path):
    pack = golden_pack(tmp_path / "tiny", "tiny", steps=2)
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
def test_each_bug_is_named(bug, shipped, tmp_path):
    compile_c(SOURCE, tmp_path / "gpt", HEADER, f"-DBUG={bug}")
    printed = run(tmp_path / "gpt", shipped, tmp_path / "theirs.golden")
    assert_losses_in_guide(printed, f"`-DBUG={bug}`")
    theirs = read_theirs(tmp_path / "theirs.golden", shipped).arrays
    findings = check(shipped, theirs, tell_limits=False).findings
    assert [[cause.id for cause in finding.causes] for finding in findings] == [[BUGS[bug]]]
    if bug == 3:
        readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
        assert f"With `-DBUG={bug}`" in readme
        assert f'the check says "{findings[0].causes[0].sentence}"' in readme


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
