"""The update on a page: one section and one table for each parameter, and each of its numbers in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from handcalc.arithmetic.writing import format_number
from handcalc.formulas.adamw import moved_parameter
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document

Writer = Callable[..., Iterator[str]]
WRITERS = pytest.mark.parametrize("writer", [text_lines, markdown_lines])


@WRITERS
@pytest.mark.parametrize("full", [False, True])
def test_every_number_is_in_the_table(writer: Writer, full: bool, train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    document = read_document("\n".join(writer(trace, Selection(), full=full)))
    sections = [section for section in document.sections if len(section.steps) > 1]
    assert len(sections) == len(trace.plan.weight_shapes)
    for section in sections:
        printed = {(cell.name, cell.index): cell.text for cell in section.cells}
        for name in section.steps:
            for index, value in trace.numbers[name].items():
                assert printed[name, index] == format_number(value)
        worked = [(line.index, line.name) for line in section.lines]
        cells = list(dict.fromkeys(index for index, _ in worked))
        assert worked == [(index, name) for index in cells for name in section.steps], "cell by cell"
        assert len(cells) == (len(trace.numbers[section.name]) if full else 1)


def test_the_update_is_explained_once(train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    lines = list(text_lines(trace, Selection(), full=False))
    text = " ".join(" ".join(lines).split())
    moves = [step for step in trace.plan.steps if moved_parameter(step)]
    assert {text.count(step.meaning) for step in moves} == {1}
    for step in moves:
        assert f"    {step.equation}   ({step.section})" in lines
    start, end = lines.index("AdamW: wte.weight"), lines.index("Before and after the update")
    numbers = sum(len(trace.numbers[step.name]) for step in moves)
    assert end - start < numbers / 4, "several numbers in a line, although each is there with its label"


def test_some_steps_of_the_update_are_sections_of_their_own(train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    lines = list(text_lines(trace, Selection(("m.wte.weight", "change.wte.weight")), full=False))
    assert [line for line in lines if re.match("[0-9]+(?: to [0-9]+)?[.] ", line)] == [
        "224. m.wte.weight",
        "230. change.wte.weight",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"(\n                +decayed +)(-?[0-9.]+)", r"\g<1>9"),
        (r"\n    corrected_m\.wte\.weight\[.*", ""),
        (r"(\n    m\.wte\.weight\[.*)(\n    v\.wte\.weight\[.*)", r"\2\1"),
        (r"222 to 230\. From", "222 to 231. From"),
        (r"gradient of wte\.weight to its", "gradient of wpe.weight to its"),
        (r"( +)decayed( .*\n.* m )", r"\1clipped\2"),
        (r"\n +corrected_v  .*", ""),
    ],
)
def test_changes_in_the_update_are_found(old: str, new: str, train_shipped: Callable[..., Trace]) -> None:
    page = "\n".join(text_lines(train_shipped("hello world"), Selection(("wte.weight",)), full=False))
    changed = re.sub(old, new, page, count=1)
    assert changed != page
    assert not check_document(read_document(page), None).findings
    assert check_document(read_document(changed), None).findings
