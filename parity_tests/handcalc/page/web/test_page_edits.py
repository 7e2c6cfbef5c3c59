"""Whatever the reader changes, all numbers of the page are those of Python's trace of the changed model."""

from __future__ import annotations

import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.writing import cell_label
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.step import indices_of
from handcalc.page.web.html_format import html_page
from handcalc.tracing.plan import make_training_plan
from handcalc.tracing.trace import Trace, take_step, work_out
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.handcalc.page.web.reader import Reader, differences
from parity_tests.handcalc.page.web.test_html_command import HELLO_WORLD
from parity_tests.handcalc.variants import VARIANTS

WORDS = (" ", "and", "cat", "dog", "sees", "the")


class Model(NamedTuple):
    """A random model that reads some words, with the changes that a reader makes to it, one after the other."""

    config: GPTConfig
    arrays: dict[str, Any]
    words: tuple[int, ...]
    digits: int
    grad_clip: str

    def trace(self) -> Trace:
        optimizer = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", self.grad_clip)))
        plan = make_training_plan(self.config, self.words, optimizer, digits=self.digits)
        return work_out(plan, self.arrays, WORDS, "".join(WORDS[word] for word in self.words), model="random")

    def with_weight(self, name: str, index: tuple[int, ...], value: float) -> Model:
        array = np.array(self.arrays[name])
        array[index] = value
        return self._replace(arrays=self.arrays | {name: array})

    def with_word(self, place: int, word: int) -> Model:
        return self._replace(words=(*self.words[:place], word, *self.words[place + 1 :]))


@st.composite
def models(draw: st.DrawFn) -> Model:
    fields = {"vocab_size": 6, "block_size": 5, "n_layer": 1, "n_head": 2, "n_embd": 4} | draw(VARIANTS)
    config = GPTConfig(**fields)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    arrays = {
        name: rng.normal(float(name.endswith(("_1.weight", "_2.weight", "f.weight"))), 0.5, shape)
        for name, shape in parameter_shapes(config).items()
    }
    words = tuple(draw(st.lists(st.integers(0, 5), min_size=2, max_size=5)))
    return Model(config, arrays, words, draw(st.integers(3, 8)), draw(st.sampled_from(["0", "0.5", "1000"])))


NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "-1", "12.5", "-0.00012345", "3e-7", "100"]),
    st.decimals(-3, 3, places=3).map(str),
    st.floats(-2, 2).map(repr),
)


def check(reader: Reader, trace: Trace) -> None:
    reader.open_all()
    assert differences(reader.numbers(), trace) == []


@pytest.mark.prove
@settings(max_examples=12, deadline=None)
@given(model=models(), data=st.data())
def test_any_edits_and_three_steps(model: Model, data: st.DataObject, browser: Any) -> None:
    first = model.trace()
    reader = Reader(browser, html_page(first))
    changes = data.draw(st.integers(1, 3))
    for _ in range(changes):
        if data.draw(st.booleans()):
            name = data.draw(st.sampled_from(sorted(model.arrays)))
            index = data.draw(st.sampled_from(list(indices_of(model.arrays[name].shape))))
            text = data.draw(NUMBERS)
            reader.edit(cell_label(name, index), text)
            model = model.with_weight(name, index, float(text))
        else:
            place, word = data.draw(st.integers(0, len(model.words) - 1)), data.draw(st.integers(0, 5))
            reader.choose_word(place, word)
            model = model.with_word(place, word)
        check(reader, model.trace())
    trace = model.trace()
    for _ in range(3):
        reader.take_step()
        trace = take_step(trace)
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
def test_axe_finds_nothing(browser: Any, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which downloads axe-core")
    install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), "axe-core@4"]
    if subprocess.run(install, capture_output=True, timeout=300, check=False).returncode:
        pytest.skip("axe-core could not be downloaded")
    axe = tmp_path / "node_modules" / "axe-core" / "axe.min.js"
    html = HELLO_WORLD.read_text(encoding="utf-8")
    for scheme in ("light", "dark"):
        for width, height in ((1440, 1000), (390, 844)):
            size = {"width": width, "height": height}
            reader = Reader(browser, html, color_scheme=scheme, viewport=size, bypass_csp=True)
            reader.edit("wte.weight[31,0]", "0")
            reader.page.evaluate(OPEN_SOME)
            # axe measures what is out of sight, which the browser lays out only when it is asked to.
            reader.page.add_style_tag(content=".step-body { content-visibility: visible !important }")
            reader.page.add_script_tag(path=axe)
            found = reader.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
            reader.close()
