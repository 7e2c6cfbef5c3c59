"""Loss curves: read as they were written, and told apart in a terminal, in colour and without, and in a PNG."""

from __future__ import annotations

import json
import math
import re
import struct
import sys

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.cli import curves
from numpy_gpt.shared.cli.curves import Curve, has_plot_libraries, read_curve, terminal_chart, write_png

FALLING = Curve("falling", [0, 50, 100], [3.0, 2.0, 1.0], [3.1, 2.1, 1.1])
LEVEL = Curve("level", [0, 50, 100], [2.0, 2.0, 2.0], [2.2, 2.2, 2.2])
EVALUATION = {"kind": "evaluation", "step": 5, "train_loss": 1.25, "val_loss": 1.5}


def _run(tmp_path, *lines):
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path


def test_a_curve_is_the_evaluations_of_a_run_and_not_its_steps(tmp_path):
    step = {"kind": "step", "step": 3, "train_loss": 9.0, "val_loss": None}
    curve = read_curve(_run(tmp_path, step, EVALUATION, step, {**EVALUATION, "step": 10}), "name")
    assert curve == Curve("name", [5, 10], [1.25, 1.25], [1.5, 1.5])


def test_a_line_that_is_being_written_at_this_moment_is_left_out(tmp_path):
    whole = _run(tmp_path, EVALUATION)
    with (whole / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "evaluation", "st')
    assert read_curve(whole).steps == [5]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no evaluation yet"),
        ([{"kind": "step", "step": 1}], "holds no evaluation yet"),
        ([EVALUATION, {"kind": "evaluation", "step": 6}], "line 2, is no line of metrics"),
        ([{**EVALUATION, "val_loss": None}], "line 1, is no line of metrics"),
        (["text"], "line 1, is no line of metrics"),
        ([{**EVALUATION, "step": math.inf}], "line 1, is no line of metrics"),
        ([{**EVALUATION, "val_loss": math.nan}], "line 1, is no line of metrics"),
    ],
)
def test_what_is_no_curve_is_a_users_error(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_curve(_run(tmp_path, *lines))


def _grid(chart):
    return [re.split("[│┤]", line)[1] for line in chart.splitlines() if re.match(r" *[\d.]*[│┤]", line)]


@pytest.mark.usefixtures("_plotext")
def test_without_colour_every_curve_has_a_mark_of_its_own():
    chart = terminal_chart([FALLING, LEVEL], colour=False)
    assert "\x1b" not in chart
    assert chart.endswith("  o falling\n  x level")
    grid = _grid(chart)
    rows = {mark: [place for place, line in enumerate(grid) if mark in line] for mark in "ox"}
    assert len(rows["x"]) == 1
    assert len(rows["o"]) == len(grid) - 1 > 15  # where they cross, the later one is seen
    assert not any(mark in "".join(grid) for mark in "+*#")


@pytest.mark.usefixtures("_plotext")
def test_with_colour_every_curve_has_the_colour_of_its_legend():
    chart = terminal_chart([FALLING, LEVEL], colour=True)
    *_, falling, level = chart.splitlines()
    shades = [re.findall(r"38;5;(\d+)m", line)[0] for line in (falling, level)]
    assert len(set(shades)) == 2
    for shade in shades:
        assert chart.count(f"38;5;{shade}m") > 1


@pytest.mark.usefixtures("_plotext")
def test_one_run_is_drawn_with_its_training_loss():
    assert terminal_chart([FALLING], colour=False).endswith("  o validation\n  x training")


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize("columns", [20, 60, 300])
def test_a_chart_fits_into_its_terminal(monkeypatch, columns):
    monkeypatch.setattr(curves.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    widest = max(len(line) for line in terminal_chart([FALLING, LEVEL], colour=False).splitlines())
    assert widest == {20: 40, 60: 60, 300: 120}[columns]


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_colour_is_for_terminals_that_have_it_and_users_who_want_it(monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert "\x1b" not in terminal_chart([FALLING])  # no terminal
    monkeypatch.setattr(curves.sys.stdout, "isatty", lambda: True, raising=False)
    assert ("\x1b" in terminal_chart([FALLING])) == (value == "xterm")


@pytest.mark.usefixtures("_plotext")
@pytest.mark.parametrize("curve", [Curve("one", [0], [1.0], [2.0]), Curve("flat", [0, 1], [1.0, 1.0], [1.0, 1.0])])
def test_a_single_evaluation_and_a_flat_line_are_drawn_too(tmp_path, curve):
    assert "x" in "".join(_grid(terminal_chart([curve], colour=False)))
    pytest.importorskip("matplotlib")
    write_png([curve], tmp_path / "one.png")


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_png_has_its_size_whatever_it_shows_and_whatever_runs_are_called(tmp_path, count):
    pytest.importorskip("matplotlib")
    names = ["_hidden", "$x^$", "a$b", "運転", *map(str, range(8))]
    write_png([FALLING._replace(name=name) for name in names[:count]], tmp_path / "loss.png")
    content = (tmp_path / "loss.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (960, 600)


def test_the_same_curves_make_the_same_png(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        write_png([FALLING, LEVEL], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_png([LEVEL], tmp_path / "b")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("missing", ["plotext", "matplotlib"])
def test_without_a_library_it_says_what_to_install(tmp_path, monkeypatch, missing):
    for name in (missing, f"{missing}.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert not has_plot_libraries()
    with pytest.raises(UserError, match=rf'drawing needs {missing}.*: pip install "numpy-gpt\[plot\]"'):
        terminal_chart([FALLING]) if missing == "plotext" else write_png([FALLING], tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def _plotext():
    pytest.importorskip("plotext")
