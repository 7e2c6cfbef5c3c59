"""handcalc.exercise: a question, an answer, the verdict; worksheets and their answer keys."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from handcalc.exercise import main
from handcalc.exercises.topics import TOPICS
from parity_tests.handcalc.exercises.exercise_mistakes import MISTAKES
from parity_tests.handcalc.exercises.exercise_solver import SOLUTIONS, read_question

Capture = pytest.CaptureFixture[str]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Run:
    """Return a function that runs the command with some typed lines and returns exit status and stdout."""

    def run_(typed: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(list(arguments))
        out, err = capsys.readouterr()
        assert err == ""
        return status, out

    return run_


@pytest.mark.parametrize("topic", TOPICS)
def test_verdicts(topic: str, run: Run) -> None:
    for level in (1, 2, 3):
        arguments = ("--topic", topic, "--level", str(level), "--seed", "4")
        status, shown = run("", *arguments)
        assert status == 0 and "The answer: " in shown
        question = read_question(shown.partition("Your answer")[0])
        right = f"{SOLUTIONS[topic, level](question):.6g}"
        status, out = run(f"{right}\n", *arguments)
        assert status == 0 and "\nRight.\n" in out and "The working" in out and "Results of typical" not in out
        for name, mistake in MISTAKES[topic, level].items():
            if f"  {name}\n" in shown:
                status, out = run(f"{mistake(question):.6g}\n", *arguments)
                named = " ".join(out.split()).partition("This mistake gives that result: ")[2]
                assert status == 1 and name in named.partition(" The answer:")[0]
        status, out = run("12345678\n", *arguments)
        assert status == 1 and "Not right, and none of the typical mistakes gives that result." in out


def test_asks_again_without_a_number(run: Run) -> None:
    status, out = run("what?\n1,5 or so\n\n", "--seed", "1")
    assert status == 0 and "'what?' is not a number" in out and out.count("Your answer") == 3 and "The answer" in out


def test_seed_decides_question(run: Run) -> None:
    first = run("", "--seed", "9")
    assert run("", "--seed", "9") == first != run("", "--seed", "10")
    again = re.search(r"\(--topic (\S+) --level (\d) --seed 9\)", first[1])
    assert again is not None
    assert run("", "--topic", again[1], "--level", again[2], "--seed", "9") == first
    assert run("") != run("")


def test_own_text(run: Run) -> None:
    assert 'reads "once upon a time"' in run("", "--text", "once upon a time", "--topic", "softmax", "--seed", "1")[1]
    status, out = run("", "--text", "hello", "--seed", "3")  # one token: nothing to predict, so other topics
    assert status == 0 and 'reads "hello"' in out


def test_a_text_in_capitals_is_read_in_lower_case(run: Run, capsys: Capture) -> None:
    arguments = ("--topic", "softmax", "--seed", "1", "--text")
    lower = run("", *arguments, "once upon a time")
    assert main([*arguments, "Once UPON a time"]) == 0
    out, err = capsys.readouterr()
    assert (0, out) == lower
    assert err == "note: the model knows only lower case, and reads --text as 'once upon a time'\n"


def test_list(run: Run) -> None:
    status, out = run("", "--list")
    assert status == 0 and all(f"{topic} " in out for topic in TOPICS) and "level 3  several steps" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topic", "sofmax"], "there is no --topic 'sofmax'; did you mean 'softmax'?"),
        (["--level", "4"], "--level must be 1, 2 or 3, not 4"),
        (["--digits", "0"], "--digits must be a whole number from 1 to 33, not 0"),
        (["--digits", "34"], "--digits must be a whole number from 1 to 33, not 34"),
        (["--worksheet", "0"], "--worksheet must be a whole number from 1 to 1,000, not 0"),
        (["--output", "x"], "--output is for worksheets; say how many exercises with --worksheet"),
        (["--students", "3"], "--students is for worksheets; say how many exercises with --worksheet"),
        (["--format", "html"], "--format is for worksheets; say how many exercises with --worksheet"),
        (["--worksheet", "2", "--students", "0"], "--students must be a whole number from 1 to 1,000, not 0"),
        (["--worksheet", "2", "--students", "x"], "--students: must be a whole number, not 'x'"),
        (["--worksheet", "900", "--students", "900"], "810,000 exercises are too many; choose --worksheet and"),
        (["--worksheet", "2", "--format", "pdf"], "--format"),
        (["--worksheet", "2", "--output", ""], "a path must not be empty"),
        (["--worksheet", "2", "--output", "x.html"], "--output x.html needs --format html, or a NAME without .html"),
        (["--worksheet", "2", "--answer", "1", "--seed", "1"], "leave out --answer or --worksheet"),
        (["--answer", "1"], "--answer needs the --seed of the question that it answers"),
        (["--easy", "--topic", "gelu"], "--topic gelu has no whole numbers; --easy has the topics 'dot-product', "),
        (["--easy", "--text", "hello"], "--easy makes up its words and its numbers; leave out --easy or --text"),
        (["--easy", "--model", "x"], "--easy makes up its words and its numbers; leave out --easy or --model"),
        (["--text", "hello wurld"], "did you mean 'world'?"),
        (["--text", "hello", "--topic", "cross-entropy"], "a text of one token has no next word to predict"),
        (["--model", "no/such"], "no model at no/such"),
        (["--worksheet", "2", "--output", "no/such/sheet"], "cannot write no/such/sheet-questions.txt and no/such/"),
        (["--sed", "2"], "did you mean '--seed'?"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


def test_ctrl_c_and_binary_input(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("handcalc.exercises.asking._read_line", interrupted)
    assert main(["--seed", "1"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    words = [sys.executable, "-m", "handcalc.exercise", "--seed", "1"]
    result = subprocess.run(words, input=b"\xff\xfe\n", capture_output=True, check=False, env={"PYTHONUTF8": "1"})
    assert result.returncode in (0, 2) and b"Traceback" not in result.stderr


def test_closed_pipe() -> None:
    words = [sys.executable, "-m", "handcalc.exercise", "--worksheet", "40", "--easy", "--seed", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
        assert error.count(b"\n") == 1 and error.startswith(b"The key is not printed.") and process.wait() == 0


def test_output_is_utf_8() -> None:
    words = [sys.executable, "-m", "handcalc.exercise", "--seed", "1", "--topic", "gelu", "--level", "3"]
    result = subprocess.run(words, input=b"", capture_output=True, check=True, env={"PYTHONIOENCODING": "ascii"})
    assert "½" in result.stdout.decode() or "hidden³" in result.stdout.decode()


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("7" * 20_000))
    assert main(["--topic", "softmax", "--seed", "1"]) == 2
    assert "an answer must be a line of at most 10,000 characters" in capsys.readouterr().err
