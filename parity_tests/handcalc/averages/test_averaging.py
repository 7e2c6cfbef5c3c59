"""Four versions of one average: every line is true, and they agree and differ where the page says so."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handcalc.averaging import main
from handcalc.page.layout import WIDTH
from handcalc.tracing.trace import Trace
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from numpy_gpt.model import predict
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint

Capture = pytest.CaptureFixture[str]


def page(capsys: Capture, *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def cells(text: str) -> dict[str, str]:
    return {line.label: line.value for line in read_document(text).worked}


@pytest.mark.parametrize("digits", ["1", "4", "9", "34"])
@pytest.mark.parametrize("words", ["hello", "hello world", "to be or not"])
def test_page_fits_and_verifies(digits: str, words: str, capsys: Capture) -> None:
    for layer in "01":
        text = page(capsys, "--text", words, "--digits", digits, "--layer", layer, "--head", "1", "--full")
        document = read_document(text)
        assert document.digits == int(digits) and len(document.worked) > 40
        assert not check_document(document, None).findings
        assert max(map(len, text.splitlines())) <= WIDTH


def test_three_versions_are_the_average(capsys: Capture, trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    shown = cells(page(capsys, "--full"))
    x = trace.numbers["h.0.ln_1.out"]
    for t in range(3):
        for c in range(6):
            exact = sum(Fraction(x[s, c]) for s in range(t + 1)) / (t + 1)
            loop = Fraction(shown[f"averaging.loop.out[{t},{c}]"])
            assert abs(loop - exact) <= abs(exact) * Fraction(1, 2 * 10**3)
            assert shown[f"averaging.fractions.out[{t},{c}]"] == shown[f"averaging.loop.out[{t},{c}]"]
            assert shown[f"averaging.triangle.out[{t},{c}]"] == shown[f"averaging.softmax.out[{t},{c}]"]


def test_differences_are_reported(capsys: Capture) -> None:
    text = page(capsys, "--full")
    shown = cells(text)
    differing = [
        f"[{t},{c}]"
        for t in range(3)
        for c in range(6)
        if shown[f"averaging.loop.out[{t},{c}]"] != shown[f"averaging.triangle.out[{t},{c}]"]
    ]
    assert differing and all(cell.startswith("[2,") for cell in differing)  # 1 and 1/2 need no rounding, 1/3 does
    listed = re.findall(r"^    out(\[\d,\d\])  (\S+) +(\S+)$", text, re.MULTILINE)
    assert [cell for cell, *_ in listed] == differing
    for cell, one, two in listed:
        assert (one, two) == (shown[f"averaging.loop.out{cell}"], shown[f"averaging.triangle.out{cell}"])
    assert f"equal in {18 - len(differing)} of 18 cells" in text
    assert text.count("equal in all 18 cells") == 2 and "equal in all 9 cells" in text


def test_shapes_are_printed(capsys: Capture) -> None:
    text = page(capsys)
    for name, shape in (
        ("averaging.loop.out", "(T, C) = (3, 6)"),
        ("averaging.triangle.weights", "(T, S) = (3, 3)"),
        ("averaging.triangle.out", "(T, C) = (3, 6)"),
        ("averaging.softmax.weights", "(T, S) = (3, 3)"),
        ("averaging.softmax.out", "(T, C) = (3, 6)"),
        ("h.0.attn.q", "(H, T, D) = (2, 3, 3)"),
        ("h.0.attn.weights", "(H, T, S) = (2, 3, 3)"),
        ("h.0.attn.heads", "(H, T, D) = (2, 3, 3)"),
    ):
        assert f"shape {shape}" in section(text, name)


def section(text: str, name: str) -> str:
    return text.split(f"\n{name}\n")[1].split("\n\n\n")[0].split("\nh.0.")[0].split("\naveraging.")[0]


def test_a_batch_is_its_texts_with_one_more_axis(capsys: Capture) -> None:
    texts = ["hello world", "to be", "hand by"]
    text = page(capsys, "--text", *texts, "--full")
    assert not check_document(read_document(text), None).findings
    assert max(map(len, text.splitlines())) <= WIDTH
    shown, single = cells(text), [cells(page(capsys, "--text", one, "--full")) for one in texts]
    expected = {}
    for number, one in enumerate(single):
        for label, value in one.items():
            name, _, index = label.partition("[")
            same = name.startswith(("averaging.triangle.", "averaging.softmax.")) and not name.endswith(".out")
            expected[label if same else f"{name}[{number},{index}"] = value
    assert shown == expected
    for name, shape in (
        ("averaging.loop.out", "(B, T, C) = (3, 3, 6)"),
        ("averaging.softmax.weights", "(T, S) = (3, 3)"),
    ):
        assert f"shape {shape}" in section(text, name)
    assert text.count("    every text, with the words of text 0\n") == 8  # of the triangle, and of the softmax of zeros
    assert "    text 2, head 0\n" in section(text, "h.0.attn.weights")
    assert "shape (B, H, T, S) = (3, 2, 3, 3)" in section(text, "h.0.attn.weights")
    assert text.count("equal in all 54 cells") == 2 and "weights of text 2: equal in 1 of 3 rows" in text


def test_a_batch_lists_the_differences_of_every_text(capsys: Capture) -> None:
    text = page(capsys, "--text", "hello world", "to be", "--full")
    shown = cells(text)
    differing = [
        label.removeprefix("averaging.loop.")
        for label, value in shown.items()
        if label.startswith("averaging.loop.out") and shown[label.replace("loop", "triangle")] != value
    ]
    assert {label[4] for label in differing} == {"0", "1"}
    assert re.findall(r"^    (out\[\d,\d,\d\]) ", text, re.MULTILINE) == differing


def test_no_rounding_no_difference(capsys: Capture) -> None:
    text = page(capsys, "--text", "hello")
    assert "different in these" not in text and "No weight had to be rounded here" in text


def test_version_4_is_attention(capsys: Capture) -> None:
    shown = cells(page(capsys, "--layer", "1", "--head", "1", "--digits", "12", "--full"))
    model, arrays = load_checkpoint(SHIPPED_MODEL), {}
    values = {name: np.asarray(array, dtype=np.float64) for name, array in model.values.items()}
    tokens = model.tokenizer.encode("hello world").tolist()
    predict(parameters_from(model.config, values), [tokens], lambda name, array: arrays.update({name: array.copy()}))
    for name in ("weights", "heads"):
        compared = 0
        for label, value in shown.items():
            if label.startswith(f"h.1.attn.{name}["):
                index = tuple(map(int, re.findall(r"\d+", label.partition("[")[2])))
                assert abs(float(value) - arrays[f"h.1.attn.{name}"][0][index]) < 1e-6, label
                compared += 1
        assert compared >= 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "hello wurld"], "did you mean 'world'?"),
        (["--text", ""], "text must not be empty"),
        (["--text", "to be or not to be"], "this model reads at most 8"),
        (["--text", "to be", "to"], "must have the same number of tokens, but 'to be' has 3 and 'to' has 1"),
        (["--layer", "2"], "--layer 2 does not exist"),
        (["--head", "9"], "--head 9 does not exist"),
        (["--digits", "0"], "--digits must be a whole number from 1 to 34"),
        (["--model", "no/such"], "no model at no/such"),
        (["--output", "no/such/file"], "cannot write no/such/file"),
        (["--ful"], "unknown option '--ful'; did you mean '--full'?"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


def test_output_equals_screen(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--output", str(tmp_path / "page.txt")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "page.txt").read_text() == page(capsys)


def test_closed_pipe() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "handcalc.averaging", "--full"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("handcalc.averaging.trace_model", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"
