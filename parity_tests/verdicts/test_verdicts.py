"""docs/verdicts.md is up to date, complete and stable, and gives a reason for every difference."""

from __future__ import annotations

import difflib
import re
from itertools import chain
from typing import Any

import numpy as np
import pytest

import numpy_gpt.gpt
import numpy_gpt.model
import torch_gpt.gpt
import torch_gpt.model
from parity_tests.verdicts.__main__ import CASES, COMMAND, DOCUMENT, SECTIONS, render
from parity_tests.verdicts.evaluation import Case, problem, text_of, verdicts
from parity_tests.verdicts.implementations import IMPLEMENTATIONS, NumpyGPT
from parity_tests.verdicts.reasons import REASONS

EVERY_INPUT = {
    "Layer norm": "zeros; −0; constant row; constant 1e20; offset 1e6; spike; subnormals; +inf; −inf; NaN; overflows",
    "Softmax": "equal; 0, 88; 0, −88; 0, 89; 0, −89; 0, 709; 0, −709; 0, 710; 0, −710; gap of 1e30; below −1e10; "
    "fully masked row; zeros; −0; subnormal; +inf; −inf; NaN",
    "Cross-entropy": "equal logits; 0, 88; 0, 89; 0, 709; 0, 710; gap of 1e30; +inf; −inf; NaN; V = 1",
    "Activations": "gelu_tanh at −5; gelu_tanh at ±1e13; gelu_tanh at ±1e20; gelu_erf at −5; gelu_erf at ±1e13; "
    "gelu_erf at ±1e20; relu at −5; relu at ±1e20; −0; subnormal; +inf; −inf; NaN",
    "Attention": "zeros; equal scores; below −1e10; gap of 1e30; so in its V: is the past clean; inf in the V; "
    "inf in the K",
    "Whole model: numbers": "weights 1e19; parameters 0; −0; subnormal; NaN; +inf; −inf; is the past clean",
    "Shapes": "T = 1; T = block_size; T = block_size + 1; T = 0; B = 0; V = 1; H = 1; H = C; C % H ≠ 0; no layers; "
    "C = 1; prime sizes; repeated ids",
    "Token ids": "id −1; id V; 2⁶³; float ids; bool ids; uint8 ids; ragged; target −1; target V; empty target; "
    "target of another shape",
    "Memory layouts": "ids, non-contiguous; ids, negative strides; ids, big-endian; weights, non-contiguous; "
    "weights, negative strides; weights, big-endian; weights, read-only; ids, read-only; ids, masked; weights, masked",
    "Dropout": "dropout = 0; dropout = 1; rate 0; rate 1; masks, read-only; masks, big-endian; masks, masked",
    "Sampling: what may be drawn": "tied argmax; top_k 1, tied; three tied; top_k 0; > V; top_p 0; top_p 1; top_p 1.5; "
    "temperature 0; temperature 1e-9; temperature −1; temperature NaN; equal logits",
    "Clipping": "zero gradient norm; infinite gradient norm; NaN",
    "AdamW": "v = 0; learning rate 1e10; NaN; +inf",
    "Around a call": "seterr; no_grad; inference_mode; threads; forked; spawn; pickle; deepcopy",
    "One training step": "learning rate 1e10; infinite gradient norm; NaN",
}
"""The inputs that each section must have, as parts of its first column."""


def test_the_document_is_up_to_date():
    changes = _changes(DOCUMENT.read_text(encoding="utf-8"), render())
    assert not changes, f"docs/verdicts.md is out of date: look at each change, then run {COMMAND}\n{changes}"


def _changes(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "as written", "now", lineterm="", n=0)
    return "\n".join(lines)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_differences_have_reasons(section):
    found = [text for text in map(problem, section.cases) if text]
    assert not found, "\n".join(found)


def test_every_reason_is_used():
    assert {reason for case in CASES for reason in case.reasons} == set(REASONS)


@pytest.mark.parametrize("title", EVERY_INPUT)
def test_every_input_has_its_row(title):
    (section,) = (section for section in SECTIONS if section.title == title)
    given = [case.given for case in section.cases]
    missing = [part for part in EVERY_INPUT[title].split("; ") if not any(part in text for text in given)]
    assert not missing


def test_no_row_is_repeated():
    for section in SECTIONS:
        rows = [(case.given, dtype) for case in section.cases for dtype in case.dtypes]
        assert len(rows) == len(set(rows)), section.title


def test_no_value_depends_on_rounding(monkeypatch):
    texts: list[tuple[str, str, str]] = []

    def text_and_neighbours(value: Any, negligible: float = 0.0) -> str:
        below, text, above = (text_of(_scale(value, factor), negligible) for factor in (1 - 1e-5, 1, 1 + 1e-5))
        texts.append((below, text, above))
        return text

    monkeypatch.setattr("parity_tests.verdicts.evaluation.text_of", text_and_neighbours)
    render()
    edges = {three for three in texts if len(set(three)) > 1}
    assert len(texts) > 1000
    assert not edges, f"a value lies on the edge between two roundings: choose another input\n{edges}"


def _scale(value: Any, factor: float) -> Any:
    if isinstance(value, str) or np.asarray(value).dtype.kind != "f":
        return value
    return np.asarray(value, np.float64) * factor


def _case(given: str) -> Case:
    (case,) = (case for section in SECTIONS for case in section.cases if case.given == given)
    return case


CHECKS = ([numpy_gpt.gpt, numpy_gpt.model], [torch_gpt.gpt, torch_gpt.model])
"""The modules in which each twin checks ids."""


@pytest.mark.parametrize("modules", CHECKS)
@pytest.mark.parametrize("given", ["id −1", "float ids: 0.5"])
def test_an_unchecked_id_is_found(given, modules, monkeypatch):
    assert problem(_case(given)) == ""
    for module in modules:
        monkeypatch.setattr(module, "check_tokens", lambda tokens, config: np.asarray(tokens).astype(np.int64))
    assert "the implementations differ" in problem(_case(given))


def test_ids_that_wrap_change_the_document(monkeypatch):
    for module in chain(*CHECKS):
        monkeypatch.setattr(module, "check_tokens", lambda tokens, config: np.asarray(tokens) % config.vocab_size)
    case = _case("id −1")
    assert problem(case) == ""
    (verdict,) = verdicts(case)
    assert f"| {case.given} | {verdict.texts[0]} |" not in DOCUMENT.read_text(encoding="utf-8")


def test_one_percent_is_a_difference():
    def run(twin: Any, dtype: str) -> dict[str, Any]:
        return {"out": np.array([0.5, 1.01 if isinstance(twin, NumpyGPT) else 1.0], dtype)}

    assert re.search(r"numpy_gpt: out: 0.5, 1.01\n.*torch_gpt: out: 0.5, 1\n", problem(Case("a case", run)))


def test_nan_inf_zero_and_errors_differ():
    texts = [text_of(np.array(value)) for value in (np.nan, np.inf, -np.inf, 0.0)]
    assert texts == ["NaN", "inf", "-inf", "0"]

    def run(twin: Any, dtype: str) -> dict[str, Any]:
        if twin is IMPLEMENTATIONS[1]:
            raise ValueError
        return {"out": np.array([np.nan])}

    assert "**ValueError**" in problem(Case("a case", run))


def test_an_unneeded_reason_is_a_problem():
    same = Case("a case", lambda twin, dtype: {"out": np.zeros(2)}, ("variance-overflow",))
    assert "no difference any more" in problem(same)


def test_fused_reasons_excuse_no_other_path():
    def run(twin: Any, dtype: str) -> dict[str, Any]:
        return {"out": np.array([IMPLEMENTATIONS.index(twin)])}

    assert problem(Case("a case", run, ("unchecked-layers",))) == ""
    assert "the implementations differ" in problem(Case("a case", run, ("variance-overflow",)))


def test_the_fused_limit_is_a_limit():
    def run(twin: Any, dtype: str) -> dict[str, Any]:
        return {"out": np.array([1.0 + 0.1 * twin.fused, 2.0])}

    near, far = (Case("a case", run, fused_within={"out": within}) for within in (0.2, 0.05))
    assert verdicts(near)[0].texts[2] == "out: as numpy_gpt ± 0.2"
    assert verdicts(far)[0].texts[2] == "out: 1.1, 2"
