"""Asking where it depends on the place whether one can type: a notebook's kernel, a command of its cell, no input."""

from __future__ import annotations

import builtins
import io
import sys
from types import SimpleNamespace

import pytest

from handcalc.exercise import main

Capture = pytest.CaptureFixture[str]
QUESTION = ("--topic", "scaling", "--level", "1", "--seed", "3")
HOW = "python -m handcalc.exercise --topic scaling --level 1 --seed 3"


class NoInput(io.StringIO):
    """A standard input that would make a notebook wait forever."""

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        raise AssertionError("waits for somebody to type")

    def isatty(self) -> bool:
        return True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make this process look like the kernel of a notebook."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[misc]
    monkeypatch.setattr("sys.stdin", NoInput())
    return monkeypatch


def refuse(prompt: str) -> str:
    raise NotImplementedError("raw_input was called, but this frontend does not support input requests.")


def test_a_notebook_asks_in_a_box(kernel: pytest.MonkeyPatch, capsys: Capture) -> None:
    prompts: list[str] = []
    answers = iter(["what?", "-2.89"])

    def type_in_box(prompt: str) -> str:
        prompts.append(prompt)
        return next(answers)

    kernel.setattr(builtins, "input", type_in_box)
    assert main(list(QUESTION)) == 0
    assert prompts == ["Your answer (an empty line shows the solution): "] * 2
    out = capsys.readouterr().out
    assert "'what?' is not a number" in out and "\nRight.\n" in out


def test_a_notebook_that_runs_by_itself_says_what_to_do(kernel: pytest.MonkeyPatch, capsys: Capture) -> None:
    kernel.setattr(builtins, "input", refuse)
    assert main(list(QUESTION)) == 0
    out = capsys.readouterr().out
    assert f"    {HOW} --answer NUMBER\n" in out and "--answer ''" in out
    assert "Work out scaled[2,0]" in out and "The answer" not in out


def test_a_command_of_a_cell_does_not_wait(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A cell that begins with "!" gives the command a terminal, and what it inherits from the kernel tells."""
    monkeypatch.setattr("sys.stdin", NoInput())
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert main([*QUESTION, "--digits", "4"]) == 0
    assert f"    {HOW} --digits 4 --answer NUMBER\n" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("-2.89\n"))  # a pipe has its answer in it
    assert main(list(QUESTION)) == 0
    assert "\nRight.\n" in capsys.readouterr().out


def test_an_ipython_shell_without_a_notebook_has_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[misc]
    monkeypatch.setattr("sys.stdin", io.StringIO("-2.89\n"))
    assert main(list(QUESTION)) == 0
    assert "\nRight.\n" in capsys.readouterr().out


@pytest.mark.parametrize("own", [("--text", "hello world", "--digits", "2"), ("--easy",), ("--model", "untrained")])
def test_what_to_do_asks_the_same_question(kernel: pytest.MonkeyPatch, capsys: Capture, own: tuple[str, ...]) -> None:
    import shlex

    kernel.setattr(builtins, "input", refuse)
    assert main(["--seed", "11", *own]) == 0
    asked, _, how = capsys.readouterr().out.partition("\n\nNothing can be typed here.")
    command = next(line for line in how.splitlines() if "--answer NUMBER" in line)
    words = shlex.split(command)[3:-1]
    assert main([*words, ""]) == 0
    assert capsys.readouterr().out.startswith(f"{asked}\n\nThe answer: ")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("-2.89", 0, "\nRight.\n"),
        ("2.89", 1, "the sign is wrong"),
        ("-1.2e-05", 1, "Not right"),
        ("-.5", 1, "Not right"),
        ("", 0, "The answer: scaled[2,0] = -2.89"),
    ],
)
def test_an_answer_as_an_option(capsys: Capture, answer: str, status: int, said: str) -> None:
    assert main([*QUESTION, "--answer", answer]) == status
    out, err = capsys.readouterr()
    assert said in out and "Your answer" not in out and err == ""


def test_an_answer_that_is_no_number(capsys: Capture) -> None:
    assert main([*QUESTION, "--answer", "two"]) == 2
    assert capsys.readouterr().err == "error: --answer 'two' is not a number; write one such as -0.0123 or 1.23e-05\n"
