"""The page of a part of a model that is too large to be worked out whole is verified like any other."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

import pytest

from handcalc import trace
from handcalc.tracing import size
from handcalc.verification.document import read_document
from handcalc.verification.page_check import NUMBERS, OPERANDS, Report, check_document
from handcalc.verification.rewriting import FLOAT64, WEIGHTS

SHARES = "once upon a --only h.1.attn.weights,h.1.attn.scores --head 1"
CHOICES = [
    "once upon a --only h.0.attn.weights --head 1",
    SHARES,
    "once upon a --only logits --position 2 --full",
    "once upon a --only h.1.attn.scores[0,1,0],embedding.sum --format markdown",
    "once upon a --only dloss,h.0.attn.dq --backward",
    "once upon --only updated.embedding.token,wte.weight --update --set wte.weight[3,0]=0",
]


@pytest.fixture(autouse=True)
def _every_model_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "MOST_NUMBERS", 100)


def _page(words: str) -> str:
    text, *options = words.partition(" --")
    with redirect_stdout(StringIO()) as page:
        assert trace.main([text, *"".join(options).split()]) == 0
    assert " of " in page.getvalue().partition(" steps,")[0].rpartition(" numbers in ")[2]
    return page.getvalue()


def _report(page: str) -> Report:
    return check_document(read_document(page), None)


@pytest.mark.parametrize("words", CHOICES)
def test_a_right_page_has_no_finding(words: str) -> None:
    report = _report(_page(words))
    assert report.findings == []
    assert FLOAT64 not in report.unchecked


def test_a_page_of_another_model_says_what_is_not_checked() -> None:
    report = _report(_page("once upon a --only h.0.attn.weights,logits --model untrained"))
    assert report.findings == []
    assert report.unchecked[OPERANDS] and report.unchecked[NUMBERS] and WEIGHTS in report.unchecked


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" numbers in ", "0 numbers in "),
        ("width 6", "width 8"),
        (" 2 shown", " 3 shown"),
        ("each position gives", "every position gives"),
        ("(H, T, S) = (2", "(H, T, S) = (3"),
        ("masked", "1"),
        ("head 1", "head 0"),
        ("attn.scores[1,4,0] = ", "attn.scores[1,4,0] = 1 + "),
        ("weights[h,t,s] = ", "weights[h,t,t] = "),
        ("(8.5)", "(8.6)"),
    ],
)
def test_a_mistake_is_found(old: str, new: str) -> None:
    page = _page(SHARES)
    assert old in page
    assert _report(page.replace(old, new, 1)).findings


def test_a_number_on_the_page_must_be_the_one_that_is_used() -> None:
    page = _page("once upon a --only softmax.exponentials,probabilities --position 2")
    assert _report(page).findings == []
    label = "probabilities[2,"
    line = next(line for line in page.splitlines() if line.lstrip().startswith(label))
    right = line.rpartition(" = ")[2]
    assert _report(page.replace(line, line.replace(f" = {right}", f" = 1{right}"))).findings
