"""No character of a page changes unseen; a file that claims too much, or repeats itself, is refused or judged soon."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import islice

import pytest

from gpt_data.errors import UserError
from handcalc import verify
from handcalc.tracing.plan import make_plan, make_training_plan, optimizer_of
from handcalc.tracing.trace import Trace, load_model, work_out
from handcalc.verification.alignment import align
from handcalc.verification.document import read_document
from handcalc.verification.page_check import OPERANDS, OTHER_LINES, check_document
from handcalc.verification.rewriting import FLOAT64, WEIGHTS
from parity_tests.handcalc.verification.page_changes import changed_pages, difference, is_noticed, page_of, report_of


def shipped(text: str, *, update: bool) -> Trace:
    model, name = load_model(None)
    tokens = tuple(model.tokenizer.encode(text).tolist())
    if update:
        plan = make_training_plan(model.config, tokens, optimizer_of(model.recipe), digits=4)
    else:
        plan = make_plan(model.config, tokens, digits=4)
    return work_out(plan, model.values, model.tokenizer.vocabulary, text, model=name)


def assert_noticed(trace: Trace, form: str, count: int) -> None:
    page = page_of(trace, form)
    right = report_of(page)
    assert right is not None and not right.findings
    missed = [
        difference(changed, page)
        for changed in islice(changed_pages(page, random.Random(17)), count)
        if not is_noticed(changed, right, page)
    ]
    assert not missed


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_changes_of_a_page_are_noticed(form: str) -> None:
    assert_noticed(shipped("hello", update=False), form, 4)


@pytest.mark.prove
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_many_changes_are_noticed(form: str) -> None:
    """Of a page of a whole training step; in JSON, float64's digits beyond the ninth are named as not checked."""
    assert_noticed(shipped("hello world", update=True), form, 60)


def assert_noticed_before_float64(trace: Trace, form: str, count: int) -> None:
    """Float64's numbers of a model that does not ship are only known to lie near those of the calculator."""
    page = page_of(trace, form)
    right, cut = report_of(page), page.find("How far from float64") % (len(page) + 1)
    assert right is not None and not right.findings
    changed = (before + page[cut:] for before in islice(changed_pages(page[:cut], random.Random(18)), count))
    missed = [difference(one, page) for one in changed if not is_noticed(one, right, page)]
    assert not [one for one in missed if "float64" not in one and '"difference"' not in one]


BIGRAM = {"tokens": (2, 0, 1, 0, 2), "digits": 4, "kind": "bigram", "vocab_size": 3, "grad_clip": "0.1"}


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_changes_of_a_bigram_page_are_noticed(form: str, train_random: Callable[..., tuple[Trace, object]]) -> None:
    assert_noticed_before_float64(train_random(**BIGRAM)[0], form, 4)


@pytest.mark.prove
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_many_changes_of_a_bigram_page_are_noticed(
    form: str, train_random: Callable[..., tuple[Trace, object]]
) -> None:
    assert_noticed_before_float64(train_random(**BIGRAM)[0], form, 40)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The arithmetic of a bigram model", "The arithmetic of a GPT"),
        ("A trained bigram model reads", "A trained GPT reads"),
        ("and from that word alone", "and from all words before"),
        ("one table with a row", "one table with a column"),
        ("has 9 weights", "has 8 weights"),
        ("(including", "(excluding"),
        ("texts of at most 6 tokens", "texts of at most 1 token"),
        ("wte.weight[id of the word at t, v]", "wte.weight[v, id of the word at t]"),
        ("   (15.2)", "   (3.2)"),
        ("uses wte.weight (3", "uses wte.weight (2"),
        ("u  V = 3  words read", "u  U = 3  words read"),
        ("Backward through the table", "Backward through the embedding"),
        ("undoes 1. logits", "undoes 2. logits"),
        ("AdamW: wte.weight", "AdamW: wpe.weight"),
    ],
)
def test_what_a_bigram_page_states_is_checked(
    old: str, new: str, train_random: Callable[..., tuple[Trace, object]]
) -> None:
    page = page_of(train_random(**BIGRAM)[0], "text")
    assert old in page
    report = report_of(page.replace(old, new, 1))
    assert report is None or report.findings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The largest difference is ", "The largest difference is 1"),
        ("shape (T, C) = (1, 6)", "shape (T, C) = (1, 7)"),
        ("token[t,c] = wte.weight", "token[t,c] = wpe.weight"),
        ("   (3.1)", "   (3.2)"),
        ("uses wpe.weight (8", "uses wpe.weight (9"),
        ("2. embedding.position", "3. embedding.position"),
        ("embedding.sum[0,0]", "embedding.sum[0,00]"),
        (" numbers in 90 steps", " numbers in 89 steps"),
        ("The model, tiny,", "The model, tinu,"),
    ],
)
def test_what_a_page_states_is_checked(old: str, new: str) -> None:
    page = page_of(shipped("hello", update=False), "text")
    assert old in page
    report = report_of(page.replace(old, new, 1))
    assert report is None or report.findings


def test_two_answers_to_one_line_are_both_judged() -> None:
    findings = check_document(
        read_document("x = 1 + 1 = 2\nx = 1 + 1 = 3\nexp(1.2) = 3.32\nexp(1.2) = 3.31"), None
    ).findings
    assert [found.place for found in findings] == [2, 4]


def test_what_is_not_read_is_counted(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    report = check_document(read_document("My answers\n1) 2 + 2 = 4\n- y = 3*3 = 9\nz = 7\n"), None)
    assert not report.findings and report.unchecked == {OTHER_LINES: 2}


def test_operands_that_are_not_on_the_page() -> None:
    from handcalc.page.text import text_lines
    from handcalc.tracing.selection import Selection

    trace = shipped("hello", update=False)
    page = "\n".join(text_lines(trace, Selection(("h.0.attn.scaled",)), full=False))
    report = check_document(read_document(page), None)
    assert not report.findings and report.unchecked[OPERANDS] > 0 and FLOAT64 not in report.unchecked
    assert WEIGHTS not in report.unchecked or report.unchecked[WEIGHTS] == 0


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "file"
    file.write_text(
        json.dumps(
            {
                "steps": [
                    {
                        "name": "\x1b]0;evil\x07",
                        "cells": [{"index": [0], "value": "4\x1b[2J", "expression": "1 + 2\x1b"}],
                    }
                ]
            }
        )
    )
    assert verify.main([str(file)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b]0;evil" in out


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"schema_version": 99, "steps": []}', "its schema_version must be 1, not '99'"),
        ('{"steps": [], "steps": []}', "the field 'steps' twice"),
        ('{"digits": ' + "9" * 5000 + ', "steps": []}', "5,000 digits; the longest allowed has 18"),
    ],
)
def test_refused_records(record: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_document(record)


_GPT = (
    "{} with 1 attention head each, width 6, 6 channels per head, 24 hidden units, a vocabulary of {} words, and a "
    "context of 8 tokens."
)
_BIGRAM = "one table with a row of logits for each word, a vocabulary of {} words, and texts of at most 8 tokens."


@pytest.mark.parametrize(
    "claim",
    [
        _GPT.format("1,000,000,000 layers", "3"),
        _GPT.format("1 layer", "1,000,000,000"),
        _BIGRAM.format("1,000,000"),
    ],
)
def test_claims_are_judged_before_they_are_planned(claim: str) -> None:
    shape = (
        f"The arithmetic of a GPT, by pocket calculator\n\nrounding to 4 significant digits\n{claim}\n\n"
        "The tokens: x\n\n0  a  0\n\n"
    )
    report = check_document(read_document(f"{shape * 300}x = 1 + 1 = 2\n"), None)
    assert len(report.findings) == 1 and "not stated so that they can be read" in report.findings[0].problem


def test_long_digits_are_read_in_one_pass() -> None:
    report = check_document(read_document(f"{'7' * 40_000}\n{'7,' * 20_000}\nx = 1 + 1 = 2\n"), None)
    assert not report.findings and report.unchecked == {OTHER_LINES: 2}


def test_alignment_looks_at_few_pairs() -> None:
    calls = [0]

    def alike(one: int, other: int) -> bool:
        calls[0] += 1
        return False

    for length in (1_000, 4_000):
        calls[0] = 0
        lines = [str(place) for place in range(length)]
        pairs = list(align(lines, [f"other {line}" for line in lines], alike))
        assert len(pairs) == length and calls[0] <= 4 * length
