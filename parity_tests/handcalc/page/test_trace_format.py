"""docs/trace-format.md is true: its examples are real, its rules read every line, and no field is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from handcalc.page.json_format import json_lines
from handcalc.page.text import text_lines
from handcalc.tracing.changes import compare_with_unchanged
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Change, Trace
from parity_tests.handcalc.arithmetic.test_expressions import evaluate, round_to_digits

DOCUMENT = (Path(__file__).parents[3] / "docs" / "trace-format.md").read_text(encoding="utf-8")
(PATTERN,) = re.findall(r'LINE = re\.compile\(r"(.+)"\)', DOCUMENT)
LINE = re.compile(PATTERN)
EXAMPLES = [block.rstrip("\n").split("\n") for block in re.findall(r"```trace\n(.*?)```", DOCUMENT, re.DOTALL)]


@pytest.fixture(scope="module")
def page(train_shipped: Callable[..., Trace]) -> list[str]:
    return list(text_lines(train_shipped("hello world"), Selection(), full=True))


def join_lines(lines: list[str]) -> list[str]:
    """Return the worked lines among ``lines`` as the document says: eight spaces belong to the line before."""
    found: list[str] = []
    for line in lines:
        if line.startswith(" " * 8) and found and found[-1]:
            found[-1] += f" {line.strip()}"
        else:
            found.append(
                line if re.match(r"    [A-Za-z][\w.]*(\[[\d,]+\])? =|    [A-Za-z][\w.]*\[[\d,]+\]$", line) else ""
            )
    return [line for line in found if LINE.fullmatch(line)]


def test_examples_are_real(page: list[str]) -> None:
    assert len(EXAMPLES) == 2 and sum(map(len, EXAMPLES)) >= 6
    text = "\n".join(["", *page, ""])
    for example in EXAMPLES:
        for entry in re.split(r"\n(?=    \S)", "\n".join(example)):
            assert f"\n{entry}\n" in text, entry


def test_rules_read_every_true_line(page: list[str], train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    lines = join_lines(page)
    assert len(lines) == sum(len(trace.numbers[step.name]) for step in trace.plan.page_steps) - len(trace.masked) + 2
    steps = {step.name for step in trace.plan.page_steps}
    for line in [*join_lines([line for example in EXAMPLES for line in example]), *lines[::7]]:
        match = LINE.fullmatch(line)
        assert match is not None
        name, index, arithmetic, value = match.groups()
        assert name in steps
        assert trace.numbers[name][tuple(map(int, index.split(","))) if index else ()] == round_to_digits(
            evaluate(arithmetic), 4
        )
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d{2,})?", value)


def test_other_lines_do_not_match(page: list[str]) -> None:
    starts = {line.split(" = ")[0] for line in join_lines(page)}
    others = [line for line in page if LINE.fullmatch(line) and line.split(" = ")[0] not in starts]
    assert others == []


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield every field of a JSON value as the document writes it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}".lstrip(".")
            yield from paths(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")


def documented_fields() -> set[str]:
    table = DOCUMENT[DOCUMENT.index("## JSON") :]
    return {word for row in re.findall(r"^\| (.+)", table, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)}


def test_json_fields_are_documented(
    train_shipped: Callable[..., Trace], train_random: Callable[..., tuple[Trace, object]]
) -> None:
    trace = compare_with_unchanged(
        train_shipped("hello world"), [Change("wte.weight", (31, 0), Decimal("0.5"), Decimal("0.91"))]
    )
    chosen = Selection(cells=(("logits", (1, 31)),))
    records = [json.loads("\n".join(json_lines(trace, selection, full=True))) for selection in (Selection(), chosen)]
    bigram = train_random((1, 0, 2), 4, kind="bigram")[0]
    records.append(json.loads("\n".join(json_lines(bigram, Selection(), full=True))))
    fields, named = {field for record in records for field in paths(record)}, documented_fields()
    for field in fields:
        if field.startswith(("model.config.", "optimizer.")):  # by the names of config.py and presets.py
            continue
        if any(other.startswith(f"{field}.") for other in fields):  # its parts are what counts
            continue
        parts = field.split(".")
        spellings = {".".join(parts[-count:]) for count in range(1, len(parts) + 1)}
        assert spellings & named, field
    parts = {part for field in fields for part in re.split(r"\.|\[\]\.?", field) if part}
    values = {step["phase"] for record in records for step in record["steps"]} | {"-inf", "bigram"}
    for name in {name for name in named - values - {"handcalc.verify"} if not name.startswith("--")}:
        assert all(part in parts for part in re.split(r"\.|\[\]\.?", name) if part), name


def test_names_are_documented(train_shipped: Callable[..., Trace]) -> None:
    table = DOCUMENT[DOCUMENT.index("## Names") : DOCUMENT.index("## Markdown")]
    for step in train_shipped("hello world").plan.steps:
        first = step.name.split(".")[0]
        if step.phase == "update" and first != "clipping":
            assert f"`{first}.`" in table
        elif step.name.endswith(".dx") or first in ("clipping", "head"):
            assert re.sub(r"h\.1", "h.0", step.name) in table
