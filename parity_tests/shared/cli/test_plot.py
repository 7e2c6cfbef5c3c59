"""``plot``: curves are read as they were written, and drawn in the terminal, as a PNG, or printed as numbers."""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.cli.plot import Curve, has_plot_libraries, read_curve, terminal_chart, write_png
from parity_tests.shared.cli.programs import assert_rejected

FALLING = Curve("falling", [0, 50, 100], [3.0, 2.0, 1.0], [3.1, 2.1, 1.1])
LEVEL = Curve("level", [0, 50, 100], [2.0, 2.0, 2.0], [2.2, 2.2, 2.2])
EVALUATION = {"kind": "evaluation", "step": 5, "train_loss": 1.25, "val_loss": 1.5, "learning_rate": 1e-3}


def _metrics(tmp_path, *lines):
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path


def test_curve_has_only_evaluations(tmp_path):
    step = {"kind": "step", "step": 3, "train_loss": 9.0, "val_loss": None}
    curve = read_curve(_metrics(tmp_path, step, EVALUATION, step, {**EVALUATION, "step": 10}), "name")
    assert curve == Curve("name", [5, 10], [1.25, 1.25], [1.5, 1.5])


def test_unfinished_line_is_skipped(tmp_path):
    whole = _metrics(tmp_path, EVALUATION)
    with (whole / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "evaluation", "st')
    assert read_curve(whole).steps == [5]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has no evaluation yet"),
        ([{"kind": "step", "step": 1}], "has no evaluation yet"),
        ([EVALUATION, {"kind": "evaluation", "step": 6}], "line 2, is not a line of metrics: train_loss is missing"),
        (
            [{**EVALUATION, "val_loss": {}}],
            r"line 1, is not a line of metrics: val_loss must be a finite number",
        ),
        ([{**EVALUATION, "step": -1}], "line 1, is not a line of metrics: step must be at least 0, not -1"),
        ([{**EVALUATION, "kind": []}], "line 1, is not a line of metrics: kind must be 'evaluation' or 'step', not "),
        ([EVALUATION, {"kind": "step", "step": 6, "loss": "low"}], "line 2, is not a line of metrics: loss must be"),
        (["text"], "line 1, is not a line of metrics: it must be an object, not 'text'"),
        (["text" * 20_000], "line 1, is not a line of metrics: it must have at most 65,536 bytes"),
        ([{**EVALUATION, "step": math.inf}], "line 1, is not a line of metrics"),
        ([{**EVALUATION, "val_loss": math.nan}], "line 1, is not a line of metrics"),
    ],
)
def test_invalid_metrics_are_rejected(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_curve(_metrics(tmp_path, *lines))


def _grid(chart):
    return [re.split("[│┤]", line)[1] for line in chart.splitlines() if re.match(r" *[\d.]*[│┤]", line)]


@pytest.mark.usefixtures("_plotext")
def test_marks_differ_without_colour():
    chart = terminal_chart([FALLING, LEVEL], colour=False)
    assert "\x1b" not in chart
    assert chart.endswith("  o falling\n  x level")
    grid = _grid(chart)
    rows = {mark: [place for place, line in enumerate(grid) if mark in line] for mark in "ox"}
    assert len(rows["x"]) == 1
    assert len(rows["o"]) == len(grid) - 1 > 15  # where they cross, the later one is seen
    assert not any(mark in "".join(grid) for mark in "+*#")


@pytest.mark.usefixtures("_plotext")
def test_colours_match_the_legend():
    chart = terminal_chart([FALLING, LEVEL], colour=True)
    *_, falling, level = chart.splitlines()
    shades = [re.findall(r"38;5;(\d+)m", line)[0] for line in (falling, level)]
    assert len(set(shades)) == 2
    for shade in shades:
        assert chart.count(f"38;5;{shade}m") > 1


@pytest.mark.usefixtures("_plotext")
def test_one_run_includes_training_loss():
    assert terminal_chart([FALLING], colour=False).endswith("  o validation\n  x training")


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize("columns", [20, 60, 300])
def test_chart_fits_the_terminal(monkeypatch, columns):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    widest = max(len(line) for line in terminal_chart([FALLING, LEVEL], colour=False).splitlines())
    assert widest == {20: 40, 60: 60, 300: 120}[columns]


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_colour_only_where_wanted(monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert "\x1b" not in terminal_chart([FALLING])  # no terminal
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert ("\x1b" in terminal_chart([FALLING])) == (value == "xterm")


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize("curve", [Curve("one", [0], [1.0], [2.0]), Curve("flat", [0, 1], [1.0, 1.0], [1.0, 1.0])])
def test_degenerate_curves_are_drawn(tmp_path, curve):
    assert "x" in "".join(_grid(terminal_chart([curve], colour=False)))
    pytest.importorskip("matplotlib")
    write_png([curve], tmp_path / "one.png")


@pytest.mark.parametrize("count", [1, 3, 12])
def test_png_size_is_fixed(tmp_path, count):
    pytest.importorskip("matplotlib")
    names = ["_hidden", "$x^$", "a$b", "運転", *map(str, range(8))]
    write_png([FALLING._replace(name=name) for name in names[:count]], tmp_path / "loss.png")
    content = (tmp_path / "loss.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (960, 600)


def test_png_is_deterministic(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        write_png([FALLING, LEVEL], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_png([LEVEL], tmp_path / "b")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("missing", ["plotext", "matplotlib"])
def test_missing_library_is_named(tmp_path, monkeypatch, missing):
    for name in (missing, f"{missing}.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert not has_plot_libraries()
    with pytest.raises(UserError, match=rf'drawing needs {missing}.*: pip install "numpy-gpt\[plot\]"'):
        terminal_chart([FALLING]) if missing == "plotext" else write_png([FALLING], tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_other_plotext_is_rejected(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", SimpleNamespace(__version__="6.1.0"))
    assert not has_plot_libraries()
    with pytest.raises(UserError, match=r'drawing needs plotext 5, not 6\.1\.0: pip install "numpy-gpt\[plot\]"'):
        terminal_chart([FALLING])


@pytest.fixture
def _plotext():
    pytest.importorskip("plotext")


def test_plot_prints_a_chart(run, trained):
    pytest.importorskip("plotext")
    result = run("plot", trained)
    assert (result.status, result.err) == (0, "")
    assert "loss in nats per token, by training step" in result.out
    assert result.out.endswith("  o validation\n  x training\n")


def test_plot_writes_a_png(run, trained):
    pytest.importorskip("matplotlib")
    shutil.copytree(trained, "other")
    result = run("plot", trained, "other", "--png", "loss.png")
    assert (result.status, result.out, result.err) == (0, "wrote loss.png\n", "")
    assert Path("loss.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_json_equals_the_metrics(run, trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    result = run("plot", trained, "--json")
    assert result.out.count("\n") == 1
    assert result.record == {
        "schema_version": 1,
        "curves": [
            {
                "name": "runs/tiny",
                "steps": [0, 20, 40, 60],
                "train": [line["train_loss"] for line in evaluations],
                "val": [line["val_loss"] for line in evaluations],
            }
        ],
    }


@pytest.mark.parametrize("flags", [[], ["--png", "loss.png"]])
def test_plot_without_its_libraries(run, trained, monkeypatch, flags):
    for name in ("plotext", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert_rejected(run("plot", trained, *flags), 'which is not installed: pip install "numpy-gpt[plot]"')
    assert not Path("loss.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "required: RUN"),
        (["nowhere"], "cannot read nowhere/metrics.jsonl"),
        (["runs/tiny", "nowhere"], "cannot read nowhere/metrics.jsonl"),
        (["runs/tiny/metrics.jsonl"], "cannot read runs/tiny/metrics.jsonl/metrics.jsonl"),
        (["runs/tiny", "--png", "runs"], "it is not a regular file"),
        (["runs/tiny", "--png", "no/such/loss.png"], "cannot write no/such/loss.png"),
    ],
)
def test_errors_are_one_line(run, trained, flags, message):
    assert_rejected(run("plot", *flags), message)
