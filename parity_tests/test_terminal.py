"""Each command on a terminal: lines fit it, colours, and a pager for what is longer; other output gets none of it."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from handcalc.averaging import main as averaging
from handcalc.exercise import main as exercise
from handcalc.trace import main as trace
from handcalc.verify import main as verify
from parity_tests.shared.cli.programs import PROGRAMS

Capture = pytest.CaptureFixture[str]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make the captured stdout look like a terminal that shows colours; to be called inside the test that captures."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def test_colour_only_on_terminals(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("COLUMNS", "120")  # a page is 100 wide at most
    assert trace(["gpt"]) == 0
    in_colour = capsys.readouterr().out
    assert "\x1b[1m" in in_colour
    assert "\x1b[36mh.0.ln_1.mean[0]\x1b[0m = (" in in_colour and " = \x1b[1;32m" in in_colour
    terminal.setenv("NO_COLOR", "1")
    assert trace(["gpt"]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain and plain == ANSI.sub("", in_colour)
    terminal.delenv("NO_COLOR")
    for options in (["--format", "json"], ["--format", "markdown"], ["--output", str(tmp_path / "trace.txt")]):
        assert trace(["gpt", *options]) == 0
        assert "\x1b" not in capsys.readouterr().out
    assert (tmp_path / "trace.txt").read_text() == plain
    terminal.setenv("TERM", "dumb")
    assert trace(["gpt"]) == 0
    assert capsys.readouterr().out == plain


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a run, a text, and a trace with errors."""
    place = tmp_path_factory.mktemp("files")
    quick = ["--max_iters", "2", "--eval_interval", "1", "--eval_iters", "1", "--warmup_iters", "0"]
    assert PROGRAMS["numpy_gpt"](["train", "tiny", *quick, "--out_dir", str(place / "run")]) == 0
    (place / "text.txt").write_text("A text of some words. " * 50)
    assert trace(["hello world", "--only", "ln_1.out,scores,weights", "--output", str(place / "trace.txt")]) == 0
    page = (place / "trace.txt").read_text()
    (place / "wrong.txt").write_text(page.replace("0.9", "0.8"))
    return place


HANDCALC = {"trace": trace, "averaging": averaging, "exercise": exercise, "verify": verify}
COMMANDS = [
    "numpy_gpt parameters",
    "numpy_gpt evaluate --eval_iters 1",
    "numpy_gpt step --text 'learning models are fun' --top 3",
    "numpy_gpt sample --show 3 --max_new_tokens 30",
    "numpy_gpt train bigram --dataset tiny --max_iters 2 --eval_interval 1 --warmup_iters 0",
    "numpy_gpt compare tiny --learning_rate 1e-3,1e38 --min_lr 1e-4 --max_iters 2 --eval_interval 1 --warmup_iters 0",
    "numpy_gpt plot run run",
    "numpy_gpt prepare text text.txt --out_dir a-directory-with-a-long-name",
    "numpy_gpt edit run --set wte.weight[0,0]=0 --out_dir a-directory-with-a-long-name-that-fills-a-line",
    "trace 'hello world'",
    "trace --list --update",
    "averaging",
    "exercise --list",
    "exercise --topic cross-entropy --level 3 --seed 5",
    "exercise --worksheet 9 --seed 1",
    "verify wrong.txt",
    *(f"{name} --help" for name in HANDCALC),
    *(f"{program} {name} --help" for program in ("numpy_gpt", "torch_gpt") for name in ("", "train", "sample", "edit")),
]


@pytest.mark.parametrize("line", COMMANDS)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, files: Path, line: str
) -> None:
    def run(place: str) -> str:
        shutil.copytree(files, tmp_path / place)
        monkeypatch.chdir(tmp_path / place)
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
        command, *words = shlex.split(line)
        with suppress(SystemExit):  # of --help
            assert (HANDCALC | PROGRAMS)[command](words) == (1 if command == "verify" else 0)
        return capsys.readouterr().out

    in_a_pipe = run("pipe")
    terminal = on_a_terminal(monkeypatch)
    for name, value in {"COLUMNS": "80", "LINES": "1000", "NO_COLOR": "1"}.items():
        terminal.setenv(name, value)
    shown = run("terminal")
    whole = not line.startswith(("trace '", "averaging", "exercise"))  # long products of worked lines break after "*"
    assert max(len(text) for text in shown.splitlines() if not text.startswith("sample: ")) <= 80
    assert _words(shown, whole) == _words(in_a_pipe, whole) != Counter()


def _words(text: str, whole: bool) -> Counter[str]:
    """Count the words, without numbers, of the whole text or of its prose, which is not indented."""
    lines = [line for line in text.splitlines() if whole or not line.startswith(" ")]
    # The titles of a table may be broken after "_".
    return Counter(word for word in " ".join(lines).replace("_", "_ ").split() if word.strip("_")[:1].isalpha())


def test_colours_of_cells_and_long_lines(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    on_a_terminal(monkeypatch)
    assert trace(["hello world", "--only", "h.0.attn.masked,logits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("\x1b[2mmasked\x1b[0m" in line for line in lines)
    first = next(place for place, line in enumerate(lines) if "logits[2,0]" in line)
    assert "\x1b[36m" in lines[first] and lines[first + 1].endswith("= \x1b[1;32m8.814\x1b[0m")


LONG = [
    "numpy_gpt parameters",
    "numpy_gpt step --text 'hello world'",
    "numpy_gpt sample --show",
    "numpy_gpt plot run",
    "numpy_gpt compare tiny --seed 1,2 --max_iters 1 --eval_interval 1 --warmup_iters 0",
    "averaging",
    "exercise --list",
    "exercise --worksheet 2",
    "verify wrong.txt",
]


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
@pytest.mark.parametrize("line", LONG)
def test_each_long_report_uses_the_pager(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, files: Path, line: str
) -> None:
    shutil.copytree(files, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("PAGER", "cat > shown")
    terminal.setenv("LINES", "5")
    command, *words = shlex.split(line)
    (HANDCALC | PROGRAMS)[command](words)
    shown = Path("shown").read_text()
    assert shown.count("\n") >= 5 and "\x1b[" in shown
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("training with seed") == (2 if "compare" in line else 0)  # progress is not paged
    Path("shown").unlink()
    (HANDCALC | PROGRAMS)[command]([*words, "--no_pager"])
    assert not Path("shown").exists() and capsys.readouterr().out.count("\n") >= 5


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
def test_long_page_uses_pager(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    terminal = on_a_terminal(monkeypatch)
    shown = tmp_path / "shown"
    terminal.setenv("PAGER", f"cat > {shown}")
    terminal.setenv("LINES", "40")
    assert trace(["gpt"]) == 0
    assert capsys.readouterr().out == "" and "\x1b[1mThe arithmetic" in shown.read_text()
    for options in (["--no-pager"], ["--output", str(tmp_path / "trace.txt")]):
        shown.unlink(missing_ok=True)
        assert trace(["gpt", *options]) == 0
        assert not shown.exists()
        capsys.readouterr()
    terminal.setenv("LINES", "100000")
    assert trace(["gpt"]) == 0
    assert not shown.exists() and capsys.readouterr().out.startswith("\x1b[1mThe arithmetic")


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
def test_pager_quits_or_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("PAGER", "true")
    assert trace(["hello world", "--update", "--full"]) == 0
    assert capsys.readouterr() == ("", "")
    terminal.setenv("PAGER", "no-such-pager --option")
    assert trace(["gpt"]) == 0
    assert "The arithmetic" in capsys.readouterr().out


def test_no_pager_without_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PAGER", "false")
    monkeypatch.setenv("LINES", "3")
    assert trace(["gpt"]) == 0
    assert capsys.readouterr().out.startswith("The arithmetic")
