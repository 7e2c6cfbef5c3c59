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
from numpy_gpt.golden.theirs.golden_file import read_golden_file
from numpy_gpt.golden.theirs.names import read_name_map
from numpy_gpt.golden.theirs.reading import read_theirs
from parity_tests.support.compilers import compile_c, compile_rust, require_c

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "check-a-port.md").read_text(encoding="utf-8")
THREE_LINES = re.compile(r"```(?:sh|bash)\n(numpy_gpt golden pack .*\ncc .*\nnumpy_gpt golden check .*\n)```")
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture(autouse=True)
def _a_checkout_with_an_empty_runs(tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "runs").mkdir()


def block(language, after):
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
    for session in shown:
        for line, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
            printed, wanted = masked(shell(line, capsys)), masked(expected)
            if wanted[-1:] == ["…"]:
                wanted = wanted[:-1]
                printed = printed[: len(wanted)]
            assert printed == wanted, line
    exec(block("python", "Reading the report"), {})
    assert capsys.readouterr().out.startswith("h.0.attn.scaled ")


def test_all_documents_have_the_same_three_lines():
    for path in ("README.md", "docs/port-in-c/README.md"):
        assert THREE_LINES.findall((ROOT / path).read_text(encoding="utf-8")) == THREE_LINES.findall(GUIDE), path


def test_c(tmp_path):
    head, body = block("c", "C, and anything that can call C").split("\n\n", 1)
    given = [
        "enum { B = 2, T = 3, C = 4, H = 2, D = 2 };",
        "int steps = 2;",
        "float loss = 1, out[B * T * C] = {0}, qkv[B * T * 3 * C];",
        "for (int i = 0; i < B * T * 3 * C; i++) qkv[i] = (float)i;",
    ]
    source = "\n".join([head, "int main(void) {", *given, body, "return 0;", "}", ""])
    (tmp_path / "main.c").write_text(source, encoding="utf-8")
    assert compile_c(tmp_path / "main.c", tmp_path / "main", f"-I{ROOT / 'numpy_gpt' / 'golden'}") == ""
    subprocess.run([tmp_path / "main"], check=True)
    written = read_golden_file(Path("theirs.golden"))
    assert [*written] == [step + name for step in ("", "step2.") for name in ("h.0.ln_1.out", "h.0.attn.k", "loss")]
    qkv = np.arange(2 * 3 * 12, dtype=np.float32).reshape(2, 3, 3, 2, 2)
    assert np.array_equal(written["step2.h.0.attn.k"].view(), qkv[:, :, 1].swapaxes(1, 2))


def test_rust(tmp_path):
    pack = read_pack("gpt2")
    names = ("loss", "h.0.ln_1.mean", "h.0.attn.q", "step2.logits")
    puts = []
    for name in names:
        array, plain = pack.arrays[name], name.removeprefix("step2.")
        numbers = ", ".join(f"{number!r}" for number in array.ravel().tolist())
        puts += [f"file.step({2 if plain != name else 1});"]
        puts += [f'file.put("{plain}", &[{numbers}], &{list(array.shape)})?;']
    (tmp_path / "golden.rs").write_text(block("rust", "Rust"), encoding="utf-8")
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
    exec(compile(block("python", language), language, "exec"), {})
    assert capsys.readouterr().out.rstrip().endswith("arrays follow")


def test_the_table_of_names():
    pack = read_pack("gpt2")
    Path("names.tsv").write_text(block("", "Names and layouts"), encoding="utf-8")
    theirs = {"loss_value": pack.arrays["loss"], "blocks.1.fc1.weight": pack.arrays["h.1.mlp.c_fc.weight"].T}
    theirs["blocks.0.attn.query"] = pack.arrays["h.0.attn.q"].swapaxes(1, 2)
    np.savez("theirs.npz", **theirs)
    found = read_theirs("theirs.npz", pack, read_name_map("names.tsv")).arrays
    assert {name: array.shape for name, array in found.items()} == {
        name: pack.arrays[name].shape for name in ("h.1.mlp.c_fc.weight", "h.0.attn.q", "loss")
    }
    assert all(np.array_equal(array, pack.arrays[name]) for name, array in found.items())


def test_numpy():
    pack = read_pack("gpt2")
    names = {"scores": "h.0.attn.scores", "logits": "logits", "dwte": "wte.dweight"}
    exec(block("python", "NumPy"), {variable: pack.arrays[name] for variable, name in names.items()})
    theirs = read_theirs("runs/theirs.npz", pack).arrays
    assert set(theirs) == set(names.values())
