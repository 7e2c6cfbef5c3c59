"""Whatever the reader changes, all numbers of the page are those of Python's trace of the changed model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.writing import cell_label
from handcalc.formulas.adamw import Optimizer
from handcalc.tracing.plan import make_training_plan
from handcalc.tracing.trace import Trace, take_step, work_out
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.handcalc.page.web.changed_traces import with_weight, with_word
from parity_tests.handcalc.page.web.reader import Reader, differences, open_page
from parity_tests.handcalc.page.web.test_html_command import HELLO_WORLD
from parity_tests.handcalc.variants import WEB_VARIANTS
from parity_tests.support.browser import accessibility_violations

WORDS = (" ", "and", "cat", "dog", "sees", "the")


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Draw a training step of a random model that reads some words."""
    config = GPTConfig(
        **{"vocab_size": 6, "block_size": 5, "n_layer": 1, "n_head": 2, "n_embd": 4} | draw(WEB_VARIANTS)
    )
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    arrays = {
        name: rng.normal(float(name.endswith(("_1.weight", "_2.weight", "f.weight"))), 0.5, shape)
        for name, shape in parameter_shapes(config).items()
    }
    words = tuple(draw(st.lists(st.integers(0, 5), min_size=2, max_size=5)))
    grad_clip = draw(st.sampled_from(["0", "0.5", "1000"]))
    optimizer = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", grad_clip)))
    plan = make_training_plan(config, words, optimizer, digits=draw(st.integers(3, 8)))
    return work_out(plan, arrays, WORDS, "".join(WORDS[word] for word in words), model="random")


NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "-1", "12.5", "-0.00012345", "3e-7", "100"]),
    st.decimals(-3, 3, places=3).map(str),
    st.floats(-2, 2).map(repr),
)


ACTIONS = st.sampled_from(
    [
        ["change", "step", "step", "step"],  # three steps of a changed model
        ["step", "change", "change", "step", "change"],  # changes after steps, with the moments carried on
    ]
)


def check(reader: Reader, trace: Trace) -> None:
    reader.open_all()
    assert differences(reader.numbers(), trace) == []


def change(reader: Reader, trace: Trace, data: st.DataObject) -> Trace:
    """Let the reader change a weight or a word; return Python's trace of the changed model."""
    if data.draw(st.booleans(), "a weight"):
        name = data.draw(st.sampled_from(sorted(trace.plan.weight_shapes)))
        index = data.draw(st.sampled_from(list(trace.numbers[name])))
        text = data.draw(NUMBERS)
        reader.edit(cell_label(name, index), text)
        return with_weight(trace, name, index, text)
    place, word = data.draw(st.integers(0, len(trace.plan.tokens))), data.draw(st.integers(0, 5))
    reader.choose_word(place, word)
    return with_word(trace, place, word)


@pytest.mark.prove
@settings(max_examples=8, deadline=None)
@given(first=traces(), data=st.data())
def test_any_edits_and_three_steps(first: Trace, data: st.DataObject, browser: Any) -> None:
    reader = open_page(browser, first)
    trace = first
    for action in data.draw(ACTIONS):
        if action == "step":
            reader.take_step()
            trace = take_step(trace)
        else:
            trace = change(reader, trace, data)
        check(reader, trace)
    reader.page.click("#undo")
    reader.page.click("#reset")
    check(reader, first)
    reader.close()


OPEN_SOME = """() => {
  for (const details of document.querySelectorAll("details.part, details.step")) {
    details.open = details.matches(".part") || /step:(h.0.attn|loss|wpe)/.test(details.id);
  }
  return new Promise((resolve) => setTimeout(resolve));
}"""


@pytest.mark.prove
def test_axe_finds_nothing(browser: Any) -> None:
    html = HELLO_WORLD.read_text(encoding="utf-8")
    for scheme, width, height in (("light", 390, 844), ("dark", 1440, 1000)):
        size = {"width": width, "height": height}
        reader = Reader(browser, html, color_scheme=scheme, viewport=size, bypass_csp=True)
        reader.edit("wte.weight[31,0]", "0")
        reader.page.evaluate(OPEN_SOME)
        # axe measures what is out of sight, which the browser lays out only when it is asked to.
        reader.page.add_style_tag(content=".step-body { content-visibility: visible !important }")
        assert accessibility_violations(reader.page) == []
        reader.close()
