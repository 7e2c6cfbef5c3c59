"""A part of a trace has the numbers of the whole trace, and is worked out only for a model that is too large for it."""

from __future__ import annotations

from itertools import product

import pytest

from gpt_data.errors import UserError
from handcalc.page.stated_facts import read_amount
from handcalc.trace import main
from handcalc.tracing import size
from handcalc.tracing.part import trace_part
from handcalc.tracing.plan import make_plan, make_training_plan
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import load_model, trace_model

TOKENS = (7, 3, 11)
CHOICES = [
    Selection(("h.0.attn.weights",), head=1),
    Selection(("h.1.mlp.out",), position=0),
    Selection(("logits", "h.0.attn.q")),
    Selection(cells=(("h.1.attn.scores", (0, 1, 0)),)),
]


@pytest.mark.parametrize(("selection", "make"), list(product(CHOICES, [make_plan, make_training_plan])))
def test_a_part_is_a_part_of_the_whole(selection, make):
    model, name = load_model(None)
    plan = make(model.config, TOKENS, digits=4)
    whole = trace_model(model, name, "text", plan)
    part = trace_part(model, name, "text", plan, selection, full=False)
    count = 0
    for step in plan.steps:
        for index, value in part.numbers[step.name].items():
            assert value == whole.numbers[step.name][index]
            assert ((step.name, index) in part.masked) == ((step.name, index) in whole.masked)
            count += 1
    assert 0 < count < sum(len(whole.numbers[step.name]) for step in plan.steps)


def test_the_page_is_the_same(monkeypatch, capsys):
    words = ["once upon a", "--only", "h.1.attn.weights,h.1.attn.q", "--head", "1", "--set", "wte.weight[3,0]=0"]
    assert main(words) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr(size, "MOST_NUMBERS", 100)
    assert main(words) == 0
    part = capsys.readouterr().out
    assert read_amount(whole) == read_amount(part)
    assert " of 90 steps, 2 shown" in part  # only some are worked out
    assert whole[whole.index("Layer 1: attention") :] == part[part.index("Layer 1: attention") :]


@pytest.mark.parametrize(
    "words",
    [
        ["--only", "logits"],
        ["--only", "softmax.exponentials,probabilities[1,1]", "--position", "1"],
        ["--only", "losses,loss", "--backward", "--full"],
        ["--only", "updated.logits", "--update"],
        ["--only", "updated.embedding.token,updated.embedding.position", "--update", "--position", "1"],
        ["--only", "updated.h.0.attn.k", "--update", "--full", "--head", "1"],
    ],
)
def test_all_that_a_page_shows_is_worked_out(monkeypatch, capsys, words):
    """Also what no formula of the steps needs: which word is the likeliest, and all of a table of new weights."""
    assert main(["once upon", *words]) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr(size, "MOST_NUMBERS", 100)
    assert main(["once upon", *words]) == 0
    part = capsys.readouterr().out
    assert whole.split("\n\n\n", 1)[1] == part.split("\n\n\n", 1)[1]


@pytest.mark.parametrize("words", [["--format", "json", "--only", "logits"], ["--layer", "0"], []])
def test_without_named_steps_a_large_trace_is_refused(monkeypatch, capsys, words):
    monkeypatch.setattr(size, "MOST_NUMBERS", 100)
    assert main(["once upon a", *words]) == 2
    assert "too large to work out" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["MOST_NUMBERS", "MOST_OPERANDS", "MOST_CHARACTERS"])
def test_a_part_that_is_too_large_is_refused(monkeypatch, limit):
    model, name = load_model(None)
    plan = make_plan(model.config, TOKENS, digits=4)
    monkeypatch.setattr(f"handcalc.tracing.part.{limit}", 100)
    with pytest.raises(UserError, match="too large"):
        trace_part(model, name, "text", plan, Selection(("h.1.attn.weights",)), full=False)
    with pytest.raises(UserError, match="split only in a trace that is worked out whole"):
        trace_part(model, name, "text", plan, Selection(("attribution.read",)), full=False)
