"""docs/check-a-port.md is true: its commands print what it shows, and its examples in other languages follow."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.cli import main
from numpy_gpt.golden.pack.reading import read_pack
from numpy_gpt.golden.theirs.reading import read_theirs
from parity_tests.support.compilers import compile_rust, require_c

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "check-a-port.md").read_text(encoding="utf-8")
THREE_LINES = re.compile(r"```(?:sh|bash)\n(numpy_gpt golden pack .*\ncc .*\nnumpy_gpt golden check .*\n)```")
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture(autouse=True)
def _a_checkout_with_an_empty_runs(tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "runs").mkdir()


def blocks(language, after):
    """Return the first block of a language after a heading."""
    found = re.search(rf"^#+ {re.escape(after)}\n.*?^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    assert found, after
    return found[1]


def shell(line, capsys):
    """Run a line of the guide, in this process if it is ours; return what it prints."""
    if line.startswith("numpy_gpt "):
        assert main(shlex.split(line)[1:]) in (0, 1)
        out, err = capsys.readouterr()
        assert err == ""
        return out
    return subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout


def masked(text):
    """Return the words of a text, with # for each number: the last digit may depend on the machine."""
    return NUMBER.sub("#", text).split()


@pytest.mark.prove
def test_the_commands_print_what_the_guide_shows(capsys):
    require_c()
    (three_lines,) = set(THREE_LINES.findall(GUIDE))
    for line in three_lines.splitlines():
        shell(line, capsys)
    shown = re.findall(r"^```console\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    assert len(shown) >= 3
    for block in shown:
        for line, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            printed, wanted = masked(shell(line, capsys)), masked(expected)
            if wanted[-1:] == ["…"]:
                wanted = wanted[:-1]
                printed = printed[: len(wanted)]
            assert printed == wanted, line


def test_all_documents_have_the_same_three_lines():
    for path in ("README.md", "docs/port-in-c/README.md"):
        assert THREE_LINES.findall((ROOT / path).read_text(encoding="utf-8")) == THREE_LINES.findall(GUIDE), path


def test_rust(tmp_path):
    pack = read_pack("gpt2")
    names = ("loss", "h.0.ln_1.mean", "h.0.attn.q", "step2.logits")
    puts = []
    for name in names:
        array, plain = pack.arrays[name], name.removeprefix("step2.")
        numbers = ", ".join(f"{number!r}" for number in array.ravel().tolist())
        puts += [f"file.step({2 if plain != name else 1});"]
        puts += [f'file.put("{plain}", &[{numbers}], &{list(array.shape)})?;']
    (tmp_path / "golden.rs").write_text(blocks("rust", "Rust"), encoding="utf-8")
    main_function = "\n".join([*puts, "file.finish()"])
    (tmp_path / "main.rs").write_text(
        'mod golden;\nfn main() -> std::io::Result<()> {\nlet mut file = golden::Golden::create("theirs")?;\n'
        f"{main_function}\n}}\n"
    )
    assert compile_rust(tmp_path / "main.rs", tmp_path / "main") == ""
    subprocess.run([tmp_path / "main"], check=True)
    theirs = read_theirs("theirs", pack).arrays
    assert set(theirs) == set(names)
    assert all(np.array_equal(theirs[name], pack.arrays[name]) for name in names)


@pytest.mark.prove
@pytest.mark.parametrize(("language", "library"), [("PyTorch", "transformers"), ("JAX", "jax")])
def test_the_model_of_a_library_follows(language, library, capsys):
    pytest.importorskip(library)
    exec(compile(blocks("python", language), language, "exec"), {})
    assert capsys.readouterr().out.rstrip().endswith("arrays follow")


def test_numpy():
    pack = read_pack("gpt2")
    names = {"scores": "h.0.attn.scores", "logits": "logits", "dwte": "wte.dweight"}
    exec(blocks("python", "NumPy"), {variable: pack.arrays[name] for variable, name in names.items()})
    theirs = read_theirs("runs/theirs.npz", pack).arrays
    assert set(theirs) == set(names.values())
