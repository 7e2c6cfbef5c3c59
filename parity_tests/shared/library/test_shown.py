"""What the library returns shows itself: ``repr`` in one short line, and in a notebook as tables of escaped text."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.library import load_model
from numpy_gpt.shared.attention.drawing.page import maps_page
from numpy_gpt.shared.library.guesses import Guesses
from numpy_gpt.shared.library.prediction import Prediction
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.library.library_examples import HOSTILE_TEXT, Reading, everything_shown, hostile_model

TABLES = {"model", "prediction", "guesses", "maps", "learned", "trace", "lines", "line"}
"""What a notebook shows as more than one line."""


@pytest.fixture(scope="module", params=["hello world", HOSTILE_TEXT], ids=["plain", "hostile"])
def shown(request, tmp_path_factory):
    hostile = request.param == HOSTILE_TEXT
    model = load_model(hostile_model(tmp_path_factory.mktemp("models")) if hostile else None)
    return request.param, everything_shown(model, request.param)


def test_every_repr_is_one_short_line(shown):
    for name, value in (shown[1] | {"checkpoint": load_checkpoint(SHIPPED_MODEL)}).items():
        text = repr(value)
        assert len(text) < 200, name
        assert "\n" not in text, name
        assert text.startswith("<"), name


def test_a_repr_is_short_whatever_the_words():
    words = ("\U000e0001" * 30, "x" * 5000, "\n")
    prediction = Prediction("\x01" * 5000, np.array([0]), np.full((1, 3), 1 / 3), words)
    assert len(repr(prediction)) < 200
    assert repr(prediction).isprintable()


def test_html_is_whole_and_all_text_is_escaped(shown):
    text, objects = shown
    for name in sorted(TABLES):
        reading = Reading(objects[name]._repr_html_())
        known = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "pre", "details", "summary"}
        known |= {"h4", "h5", "h6"} if name == "trace" else set()
        known |= {"div", "style", "b", "section", "h2", "figure", "figcaption", "span"} if name == "maps" else set()
        assert reading.tags <= known, name
        assert reading.attributes <= {"scope", "style", "class", "title", "colspan", "aria-live"}, name
    assert text.replace("\n", "\\n") in Reading(objects["maps"]._repr_html_()).text.replace('\\"', '"').replace(
        "\\'", "'"
    )


def test_a_prediction_shows_its_likeliest_words():
    model = load_model()
    text = Reading(model.predict("once upon a")._repr_html_()).text
    assert "4 a" in text
    assert re.search(r"␣ 0\.99\d\d", text)


def test_guesses_are_judged_and_every_number_is_shown():
    guesses = load_model().guess("hello fun")
    html = guesses._repr_html_()
    text = Reading(html).text
    assert "fun" in text and "failed" in text and "succeeded" in text
    for values in (guesses.probabilities, guesses.logits):
        assert all(f"{value:.4f}" in text for value in values.ravel())
    assert html.count("<table>") == 3


def test_of_many_guesses_only_the_verdicts_are_shown():
    tokens, rows = np.zeros(14, dtype=np.int64), np.full((13, 3), 1 / 3)
    guesses = Guesses("a" * 14, tokens, rows, rows, tokens[1:], ("a", "b", "c"))
    assert repr(guesses) == "<Guesses at 'aaaaaaaaaaaaaa': 13 of 13 tokens guessed right>"
    assert guesses._repr_html_().count("<table>") == 1


def test_maps_are_the_pages_tables():
    maps = load_model().attention("to be or not")
    page, fragment = (html.replace("\n", "") for html in (maps_page(maps), maps._repr_html_()))
    tables = re.findall(r"<table>.*?</table>", page)
    assert len(tables) == 4
    assert re.findall(r"<table>.*?</table>", fragment) == tables
    assert "<script" not in fragment


def test_of_very_large_maps_only_the_sentences_are_shown(monkeypatch):
    monkeypatch.setattr("numpy_gpt.shared.attention.drawing.page._MOST_IN_NOTEBOOK", 10)
    reading = Reading(load_model().attention("to be or not")._repr_html_())
    assert "table" not in reading.tags
    assert "Layer 1, head 0: " in reading.text


def test_a_trace_shows_its_answer_and_every_step():
    trace = load_model().trace("hello world", update=True)
    text = Reading(trace._repr_html_()).text
    assert 'After "hello ␣" the likeliest next word is "world"' in text
    assert str(trace.lines("loss")[0]) in text


def test_worked_lines_are_chosen_by_name_pattern_or_index():
    trace = load_model().trace("hello world", backward=True)
    lines = trace.lines("h.1.attn.scores[0,1,0]", "h.1.attn.dq[0,1,1]")
    assert [(line.name, line.place) for line in lines] == [("h.1.attn.scores", (0, 1, 0)), ("h.1.attn.dq", (0, 1, 1))]
    assert str(lines).splitlines()[0] == str(lines[0]) == f"h.1.attn.scores[0,1,0] = {lines[0].arithmetic} = 6.596"
    assert len(trace.lines("attn.scores")) == 2  # one number in each layer
    assert len(trace.lines()) >= len(trace.plan.steps)


@pytest.mark.parametrize(
    ("only", "problem"),
    [
        ("scors", "^'scors' matches no step; did you mean 'scores'"),
        ("zzzzzz", "^'zzzzzz' matches no step; they are 'embedding.token', "),
        ("wte.weight", "add backward=True for its gradient, wte.dweight, or update=True"),
        ("loss[0]", "^'loss' matches no step"),
        ("logits[0,99]", "^'logits\\[0,99\\]' does not exist"),
    ],
)
def test_errors_about_worked_lines_name_no_options_of_a_command(only, problem):
    with pytest.raises(UserError, match=problem) as caught:
        load_model().trace("hello world").lines(only)
    assert "--" not in str(caught.value)


def test_an_update_that_overflows_names_the_argument():
    with pytest.raises(UserError, match=r"try a lower learning_rate$"):
        load_model().trace("hello world", update=True, learning_rate=1e300)
