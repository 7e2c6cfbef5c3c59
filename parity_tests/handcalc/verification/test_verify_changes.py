"""A digit that is changed anywhere among the numbers of a complete trace is found by handcalc.verify."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gpt_data.errors import UserError
from handcalc import trace as trace_command
from handcalc.page.json_format import json_lines
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.plan import make_training_plan, optimizer_of
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace, work_out
from handcalc.verification.document import Document, read_document
from handcalc.verification.page_check import check_document

PLACES_AT_ONCE = 200


class Page(NamedTuple):
    """A trace as lines, and the places (line, column) of the digits that are to be changed."""

    lines: list[str]
    places: list[tuple[int, int]]

    def change_digit(self, place: tuple[int, int], by: int) -> list[str]:
        """Return the lines with one digit changed."""
        line, column = place
        digit = str((int(self.lines[line][column]) + by) % 10)
        text = self.lines[line]
        return [*self.lines[:line], f"{text[:column]}{digit}{text[column + 1 :]}", *self.lines[line + 1 :]]


def digits_of(lines: list[str], numbers: Iterator[int] | set[int]) -> list[tuple[int, int]]:
    return [(line, match.start()) for line in sorted(numbers) for match in re.finditer("[0-9]", lines[line])]


def extent(lines: list[str], first: int) -> range:
    """Return the places of all lines of a worked line."""
    end = first + 1
    while end < len(lines) and lines[end].startswith(" " * 8):
        end += 1
    return range(first, end)


def text_page(lines: list[str], *, everything: bool) -> Page:
    """Return the digits of worked lines and of tables; ``everything`` has weights and the tables' labels, too."""
    document = read_document("\n".join(lines))
    worked = {place for line in document.worked for place in extent(lines, line.place - 1)}
    tables = {cell.place - 1 for section in document.sections for cell in section.cells}
    if everything:
        return Page(lines, digits_of(lines, worked | tables))
    of_steps = {cell.place - 1 for section in document.sections for cell in section.cells if cell.name == section.name}
    cells = [place for place in digits_of(lines, of_steps) if place[1] > label_end(lines[place[0]])]
    return Page(lines, [*digits_of(lines, worked), *cells])


def label_end(row: str) -> int:
    return len(row) - len(re.sub(r"^ +[0-9]+( \S+)?  |^ +", "", row))


@cache
def whole_trace() -> Page:
    """Return the full trace of forward, backward and update of the model that ships."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert trace_command.main(["hello world", "--update", "--full"]) == 0
    return text_page(out.getvalue().split("\n"), everything=False)


def test_whole_trace_is_right() -> None:
    page = whole_trace()
    assert len(page.places) > 200_000
    document = read_document("\n".join(page.lines))
    assert len(document.worked) > 15_000 and not check_document(document, None).findings


@pytest.mark.prove
@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_thousand_changes_are_found(data: st.DataObject) -> None:
    """Change 200 digits at a time, each in a different line: each line must be reported, or the change by itself."""
    page = whole_trace()
    owner = owners(page)
    chosen = data.draw(
        st.lists(
            st.tuples(st.sampled_from(page.places), st.integers(1, 9)),
            min_size=PLACES_AT_ONCE,
            max_size=PLACES_AT_ONCE,
            unique_by=lambda change: owner.get(change[0][0], change[0][0]),
        )
    )
    lines = page.lines
    for place, by in chosen:
        lines = Page(lines, []).change_digit(place, by)
    reported = {found.place - 1 for found in check_document(read_document("\n".join(lines)), None).findings}
    missed = [(place, by) for place, by in chosen if owner.get(place[0], place[0]) not in reported]
    # Among 200 changes one may stand where another makes its line unreadable as part of a step: it counts by itself.
    for place, by in missed:
        alone = Page(page.lines, []).change_digit(place, by)
        assert check_document(read_document("\n".join(alone)), None).findings, (place, alone[place[0]])


@cache
def _owners(lines: tuple[str, ...]) -> dict[int, int]:
    document = read_document("\n".join(lines))
    return {place: line.place - 1 for line in document.worked for place in extent(list(lines), line.place - 1)}


def owners(page: Page) -> dict[int, int]:
    """Return, for each line of a worked line, the line where it starts."""
    return _owners(tuple(page.lines))


def small_trace() -> Trace:
    """Return forward, backward and update of a model of 64 weights that reads two words."""
    import numpy as np

    from numpy_gpt.shared.model.config import GPTConfig
    from numpy_gpt.shared.model.names import parameter_shapes

    config = GPTConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2, bias=False)
    rng = np.random.default_rng(3)
    arrays = {name: np.round(rng.normal(0.5, 0.5, shape), 2) for name, shape in parameter_shapes(config).items()}
    plan = make_training_plan(config, (2, 0, 1), optimizer_of(None), digits=4)
    words = (" ", "cat", "sees")
    return work_out(plan, arrays, words, "sees cat", model="small")


@cache
def small_page(form: str) -> Page:
    writer: dict[str, Callable[[], Iterator[str]]] = {
        "text": lambda: text_lines(small_trace(), Selection(), full=True),
        "markdown": lambda: markdown_lines(small_trace(), Selection(), full=True),
        "json": lambda: json_lines(small_trace(), Selection(), full=True),
    }
    lines = list(writer[form]())
    if form != "json":
        return text_page(lines, everything=True)
    cells = {number for number, line in enumerate(lines) if '"index"' in line}
    return Page(lines, digits_of(lines, cells))


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_change_anywhere_is_found(form: str) -> None:
    """One at a time, in worked lines, tables of steps and of weights, and the tables' labels."""
    page = small_page(form)
    assert not check_document(read_document("\n".join(page.lines)), None).findings

    @settings(max_examples=5, deadline=None)
    @given(place=st.sampled_from(page.places), by=st.integers(1, 9))
    def change(place: tuple[int, int], by: int) -> None:
        lines = page.change_digit(place, by)
        assert found_in("\n".join(lines)), (page.lines[place[0]], lines[place[0]])

    change()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # the weight before its step and after it
        (r"(decayed +-?\d\.\d?)(\d)", "{0}{1}"),
        (r"(updated +-?\d\.\d?)(\d)", "{0}{1}"),
        # lines that differ only in their index: every word's exponential gets the gradient of the sum
        (r"(    softmax\.dexponentials\[0,)(1)", "{0}2"),
        (r"(    softmax\.dexponentials\[)(0)", "{0}1"),
        # the label of a column whose numbers are those of the next
        (r"(softmax\.dexponentials\n(?:.*\n)*?    t \\ v .*)(1)", "{0}2"),
        # a step that does not exist
        (r"(    h\.)(0)", "{0}1"),
    ],
)
def test_unlikely_changes_are_found(old: str, new: str) -> None:
    text = "\n".join(small_page("text").lines)
    match = re.search(old, text)
    assert match is not None
    digit = new.format(match[1], (int(match[2]) + 1) % 10)
    assert digit != match[0]
    assert found_in(f"{text[: match.start()]}{digit}{text[match.end() :]}")


def found_in(text: str) -> bool:
    try:
        document: Document = read_document(text)
    except UserError:  # JSON has no numbers such as 01
        return True
    return bool(check_document(document, None).findings)


@pytest.mark.parametrize("form", ["text", "json"])
def test_line_check_alone_misses_changes(form: str, monkeypatch: Any) -> None:
    """If lines are only worked out again, some changed operands go unnoticed, because rounding hides them."""
    page = small_page(form)
    monkeypatch.setattr("handcalc.verification.document.plan_of_text", lambda lines: None)
    monkeypatch.setattr("handcalc.verification.document.plan_of_json", lambda record: None)
    monkeypatch.setattr("handcalc.verification.document._unstated", lambda lines: [])
    step = max(1, len(page.places) // 60)
    assert not all(found_in("\n".join(page.change_digit(place, 1))) for place in page.places[::step])
