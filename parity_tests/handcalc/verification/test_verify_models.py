"""Trace, then verify: handcalc.verify accepts the program's own pages for any model and vocabulary."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.step import AGAIN
from handcalc.page.json_format import json_lines
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.plan import make_plan, make_training_plan
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace, work_out
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_shapes

ODD = (
    *("|", "`", "\\", " ", "\n", "\t", "\x1b", "\u2028", "'", '"', "#", "*", "_", "[", "<", "&", "=", "7", "-", "é"),
    *("||", "``", "\\|", "a|b"),
    *("before", "change", "after", "masked", "result", "head", "clipped", "m", "step"),  # words of the page itself
)
UPDATE = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", "1")))


@st.composite
def gpt_configs(draw: st.DrawFn, words: int) -> GPTConfig:
    return GPTConfig(
        vocab_size=words,
        block_size=3,
        n_layer=draw(st.integers(0, 1)),
        n_head=draw(st.sampled_from([1, 2])),
        n_embd=draw(st.sampled_from([2, 4, 6, 8])),
        bias=draw(st.booleans()),
        tie_weights=draw(st.booleans()),
        activation=draw(st.sampled_from(["gelu_tanh", "gelu_erf", "relu"])),
        norm=draw(st.sampled_from(["layer_norm", "rms_norm"])),
    )


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Draw a small model, a vocabulary of odd words, and a text of them to read or to train on."""
    words = tuple(draw(st.lists(st.sampled_from(ODD), min_size=3, max_size=5, unique=True)))
    config = draw(st.one_of(gpt_configs(len(words)), st.just(BigramConfig(vocab_size=len(words), block_size=3))))
    ids = tuple(draw(st.lists(st.integers(0, len(words) - 1), min_size=2, max_size=3)))
    training, optimizer = draw(st.sampled_from([(False, None), (True, None), (True, UPDATE)]))
    return _trace(config, words, ids, optimizer, draw(st.integers(0, 9)), training=training)


def _trace(
    config: ModelConfig,
    words: tuple[str, ...],
    ids: tuple[int, ...],
    optimizer: Optimizer | None = None,
    seed: int = 0,
    *,
    model: str = "random",
    training: bool = True,
) -> Trace:
    plan = make_training_plan(config, ids, optimizer, digits=4) if training else make_plan(config, ids, digits=4)
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(config)
    arrays = {name: np.round(rng.normal(float("ln" in name), 0.5, shape), 2) for name, shape in shapes.items()}
    text = "".join(words[id_] for id_ in plan.tokens)
    return work_out(plan, arrays, words, text, model=model)


_NARROW = GPTConfig(vocab_size=4, block_size=3, n_layer=1, n_head=2, n_embd=4, bias=True)
_TRANSPOSED = GPTConfig(vocab_size=2, block_size=2, n_layer=0, n_head=1, n_embd=12)  # tables of changes are transposed
_PLAIN = GPTConfig(vocab_size=8, block_size=8, n_layer=1, n_head=1, n_embd=2, bias=False, activation="relu")
_TABLE = BigramConfig(vocab_size=8, block_size=8)
_STATES = ("before", "change", "after", "head", "masked", "result", "u", "v")  # words of the columns
_WIDE = tuple(f"{word} {'long' * 6}" for word in _STATES)  # tables of changes are transposed, or cut into several
_CODE = ("tanh", "[", "bias", ".", "lm_head", "weight", "before", "after")


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@settings(max_examples=8)
@given(traces())
@example(_trace(_NARROW, ("|", "`", "a", " "), (0, 1, 2)))
@example(_trace(_TRANSPOSED, ("a", "bcd"), (0, 1), UPDATE))
@example(_trace(_PLAIN, _CODE, (0, 1, 3, 2, 4, 3, 5, 6, 7), UPDATE, model="run.bias"))
@example(_trace(_TABLE, _STATES, (0, 1, 3, 2, 4, 3, 5, 6, 7), UPDATE))
@example(_trace(_TABLE, _WIDE, (0, 1, 3, 2, 4), UPDATE))
def test_any_model(form: str, trace: Trace) -> None:
    pages = {
        "text": lambda: text_lines(trace, Selection(), full=True),
        "markdown": lambda: markdown_lines(trace, Selection(), full=True),
        "json": lambda: json_lines(trace, Selection(), full=True),
    }
    page = "\n".join(pages[form]())
    assert ("(including the space)" in " ".join(page.split())) == (" " in trace.vocabulary and form != "json")
    document = read_document(page)
    assert document.plan is not None and document.plan.weight_shapes == trace.plan.weight_shapes
    assert [step.name for step in document.plan.steps] == [step.name for step in trace.plan.steps]
    cells = sum(len(trace.numbers[step.name]) for step in trace.plan.steps)
    assert sum(len(section.cells) for section in document.sections) >= cells - sum(
        not step.axes for step in trace.plan.steps
    )  # a single number has a line alone
    assert check_document(document, None).findings == []


_ALONE = (replace(_NARROW, tie_weights=False), BigramConfig(vocab_size=4, block_size=3))


@pytest.mark.parametrize("config", _ALONE)
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.prove)])
def test_every_step_alone(config: ModelConfig, every: int) -> None:
    trace = _trace(config, ("a", "b", "c", " "), (0, 1, 2), UPDATE)
    for step in trace.plan.steps[::every]:
        if step.phase == AGAIN:
            continue  # alone, it does not say what the update was
        document = read_document("\n".join(text_lines(trace, Selection((step.name,)), full=True)))
        assert [section.name for section in document.sections] == [step.name]
        assert check_document(document, None).findings == []
