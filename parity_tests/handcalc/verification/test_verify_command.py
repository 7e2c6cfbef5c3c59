"""handcalc.verify on the command line: errors of one line, standard input, long reports, quiet ends."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from handcalc.verify import main

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/file"], "cannot read no/such/file"),
        (["."], "it is not a regular file"),
        ([], "the following arguments are required: FILE"),
        (["-", "--digits", "0"], "--digits must be a whole number from 1 to 34, not 0"),
        (["-", "--digts", "3"], "did you mean '--digits'?"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\ufeffx = 1 + 1 = 2".encode())))
    assert main(["-"]) == 0


def test_long_report_is_shortened(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "page"
    page.write_text("".join(f"x[{place}] = 1 + 1 = 3\n" for place in range(150)))
    assert main([str(page)]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 102 and "… and 50 more (--all shows them)" in out
    assert main([str(page), "--all"]) == 1
    assert capsys.readouterr().out.count("\n") == 151


def test_interrupt_and_closed_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    page = tmp_path / "page"
    page.write_text("".join(f"x[{place}] = 1 + 1 = 3\n" for place in range(20_000)))
    with subprocess.Popen(
        [sys.executable, "-m", "handcalc.verify", str(page), "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 1
    monkeypatch.setattr("handcalc.verify.read_document", interrupted)
    assert main([str(page)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
