"""The page: its width, its worked lines, its tables, what the options leave out, and the committed example.

If the default output is meant to change, renew the file and read what changed::

    python -m handcalc.trace "hello world" --output docs/hello-world.txt
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handcalc.arithmetic.writing import format_number
from handcalc.formulas.attribution import ATTRIBUTED
from handcalc.page.layout import CONTINUED, WIDTH, Table, align_points, table_lines, wrap_worked_line
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.trace import main
from handcalc.tracing.selection import Selection, select_steps
from handcalc.tracing.trace import Trace

RENEW = 'python -m handcalc.trace "hello world" --output docs/hello-world.txt'
HELLO_WORLD = Path(__file__).parents[3] / "docs" / "hello-world.txt"
WORKED = re.compile(r"    ([\w.]+)\[(\d+(?:,\d+)*)\] = (\S.*) = (-?[\d.e+-]+)")
CELL = (("h.1.attn.scaled", (0, 1, 0)),)
ARITHMETIC = re.compile(r"(?:-?\d+(?:\.\d+)?(?:e[+-]\d\d+)?|exp|log|sqrt|tanh|erf|max|[-+*/(), ])+")


def page(trace: Trace, full: bool = False, **selection: Any) -> list[str]:
    return list(text_lines(trace, Selection(**selection), full=full))


def worked_lines(lines: list[str]) -> list[tuple[str, str, str, str]]:
    """Return (name, index, arithmetic, value) of each worked line, its continuations joined to it."""
    joined: list[str] = []
    for line in lines:
        if line.startswith(CONTINUED) and joined and re.match(r"    [\w.]+\[\d", joined[-1]):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
    found = [line for line in joined if re.match(r"    [\w.]+\[[\d,]+\]", line)]
    matches = [WORKED.fullmatch(line) for line in found]
    assert all(matches), [line for line, match in zip(found, matches, strict=True) if not match]
    return [match.groups() for match in matches if match]  # type: ignore[misc]


@pytest.mark.parametrize("digits", [1, 4, 12, 34])
@pytest.mark.parametrize("full", [False, True])
def test_width_and_grammar(digits: int, full: bool, trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("learn patterns", digits)
    lines = page(trace, full)
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    cells = worked_lines(lines)
    for name, index, arithmetic, value in cells[1:]:  # the first is the example on how to read
        assert ARITHMETIC.fullmatch(arithmetic)
        assert value == format_number(trace.numbers[name][tuple(map(int, index.split(",")))])
    expected = (
        sum(len(trace.numbers[step.name]) for step in trace.plan.page_steps) - len(trace.masked)
        if full
        else len(trace.plan.page_steps)
        + sum(len(trace.numbers[step.name]) - 1 for step in trace.plan.why if step.section in ATTRIBUTED)
    )
    assert len(cells) == expected + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": True, "tie_weights": False, "activation": "relu"},
        {"n_layer": 0},
        {"n_embd": 32, "n_head": 1},
        {"n_head": 4},
    ],
)
def test_every_kind_of_model(changes: dict[str, Any], trace_random: Callable[..., Trace]) -> None:
    trace = trace_random((5, 0, 2, 0), 4, **changes)
    lines = page(trace)
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    for name in trace.plan.weight_shapes:
        assert f"uses {name} (" in text
    for step in trace.plan.steps:
        assert f". {step.name}\n" in text


def numbers_in(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def test_every_number_is_printed(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    printed = numbers_in(page(trace))
    for name, cells in trace.numbers.items():
        expected = {format_number(value) for index, value in cells.items() if (name, index) not in trace.masked}
        assert expected <= printed, name
    assert "masked" in printed


def test_weights_are_printed_once(trace_shipped: Callable[..., Trace]) -> None:
    lines = page(trace_shipped("hello"))
    assert sum("uses wte.weight (32 × 6)" in line for line in lines) == 1
    assert any("uses wte.weight: printed at embedding.token" in line for line in lines)
    assert any("uses wte.weight (32 × 6)" in line for line in page(trace_shipped("hello"), only=("logits",)))


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (("scores",), ["h.0.attn.scores", "h.1.attn.scores"]),
        (("attn.scores", "logits"), ["h.0.attn.scores", "h.1.attn.scores", "logits"]),
        (("h.1.attn.scores",), ["h.1.attn.scores"]),
        (("softmax.max",), ["softmax.max"]),
        (("*.softmax.max",), ["h.0.attn.softmax.max", "h.1.attn.softmax.max"]),
        (("h.0.mlp.*e*",), ["h.0.mlp.hidden", "h.0.mlp.gelu.argument", "h.0.mlp.gelu.tanh", "h.0.mlp.activated",
                            "h.0.mlp.residual"]),
    ],
)  # fmt: skip
def test_only(only: tuple[str, ...], names: list[str], trace_shipped: Callable[..., Trace]) -> None:
    assert [step.name for step in select_steps(trace_shipped("gpt").plan.steps, Selection(only))] == names


def test_layer_head_and_position(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    names = {name for name, *_ in worked_lines(page(trace, layer=1))[1:]}
    assert names and all(name.removeprefix("attribution.").startswith("h.1.") for name in names)
    cells = worked_lines(page(trace, full=True, head=1, position=2, only=("attn.weights", "attn.k", "attn.merged")))[1:]
    assert {index for name, index, *_ in cells if name == "h.0.attn.weights"} == {"1,2,0", "1,2,1", "1,2,2"}
    assert {index[:3] for name, index, *_ in cells if name == "h.0.attn.k"} == {"1,0", "1,1", "1,2"}
    assert {index for name, index, *_ in cells if name == "h.0.attn.merged"} == {f"2,{c}" for c in range(6)}


def test_only_headings_are_styled(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("gpt")
    styled = list(
        text_lines(
            trace, Selection(), full=False, style=lambda role, text: f"<b>{text}</b>" if role == "heading" else text
        )
    )
    assert [line.removeprefix("<b>").removesuffix("</b>") for line in styled] == page(trace)
    assert sum(line.startswith("<b>") for line in styled) > len(trace.plan.steps)


def test_decimal_points_are_aligned() -> None:
    assert align_points(["1.5", "-12", "0.25", "1e-05", "masked"]) == [
        "  1.5  ",
        "-12    ",
        "  0.25 ",
        "  1e-05",
        " masked",
    ]


def test_wide_tables_are_transposed_then_cut() -> None:
    wide = Table(("t", "f"), ["0", "1"], [str(f) for f in range(30)], [["0.123"] * 30] * 2)
    assert len(table_lines(wide)) == 31
    both = Table(("c", "f"), [str(f) for f in range(40)], [str(f) for f in range(40)], [["0.123"] * 40] * 40)
    assert max(map(len, table_lines(both))) <= WIDTH
    assert sum(line.startswith("    c") for line in table_lines(both)) > 1


@pytest.mark.parametrize("form", [text_lines, markdown_lines])
def test_transposed_tables_say_so(form: Callable[..., Any], trace_shipped: Callable[..., Trace]) -> None:
    lines = list(form(trace_shipped("hello world"), Selection(("h.0.mlp.hidden", "h.0.attn.q")), full=False))
    found = [line.strip() for line in lines if " down, " in line]
    assert found == ["hidden units down, channels across", "hidden units down, positions across"]
    corners = [line.strip(" |").replace("\\\\", "\\").split("  ")[0].split(" |")[0] for line in lines if " \\" in line]
    assert corners[-2:] == ["f \\ c", "f \\ t"] and "c \\ j" in corners


@pytest.mark.parametrize(
    "fields", [{}, {"only": ("h.1.attn.scaled",)}, {"layer": 1}, {"head": 1}, {"position": 1}, {"cells": CELL}]
)
def test_pages_say_only_what_is_true_of_them(fields: dict[str, Any], trace_shipped: Callable[..., Trace]) -> None:
    text = " ".join(" ".join(page(trace_shipped("hello world"), **fields)).split())
    assert "printed earlier" not in text and "printed before" not in text and "computed above" not in text
    assert ("shows everything it computes" in text) == (not fields)
    assert ("all its numbers" in text) == (fields in ({}, {"layer": 1}))
    for name in re.findall(r"printed at (\S+)", text):
        assert f". {name} " in text


def test_long_worked_lines_break() -> None:
    arithmetic = " + ".join(["0.12345*-0.6789"] * 20) + " + " + "*".join(["0.123456789012345678901234567890"] * 6)
    lines = wrap_worked_line("h.0.mlp.out", (0, 1), arithmetic, "1")
    assert max(map(len, lines)) <= WIDTH
    ((_, index, joined, value),) = worked_lines(lines)
    assert (index, value) == ("0,1", "1") and joined.replace(" ", "") == arithmetic.replace(" ", "")


def test_matches_committed_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hello world"]) == 0
    same = capsys.readouterr().out.encode() == HELLO_WORLD.read_bytes()
    assert same, f"the output differs from {HELLO_WORLD.name}; if that is meant: {RENEW}"


def test_world_probability_is_right(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    world = trace.vocabulary.index("world")
    assert abs(float(trace.numbers["probabilities"][1, world]) - trace.float64[1][world]) < 0.0005


def test_world_probability_is_shown(capsys: pytest.CaptureFixture[str], trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    assert main(["hello world"]) == 0
    probability = trace.numbers["probabilities"][1, trace.vocabulary.index("world")]
    assert f"P(world | hello ␣)  = {probability}" in capsys.readouterr().out
