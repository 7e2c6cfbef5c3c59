"""The page as its reader meets it: its numbers are Python's, and mouse, keyboard and address bar lead to them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handcalc.arithmetic.writing import arithmetic, cell_label, format_number
from handcalc.trace import main as trace_command
from handcalc.tracing.changes import change_weights, compare_with_unchanged
from handcalc.tracing.plan import make_plan, make_training_plan, optimizer_of
from handcalc.tracing.trace import Trace, take_step, trace_model, work_out
from handcalc.verify import main as verify
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.edits import read_edit
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.handcalc.page.web.changed_traces import with_weight
from parity_tests.handcalc.page.web.reader import Reader, differences, expected_numbers, open_page

WORLD = "wte.weight[31,0]"


def edited(edit: str) -> Trace:
    """Return the training step of the shipped model with another weight, as ``--set`` works it out."""
    model, changes = change_weights(load_checkpoint(SHIPPED_MODEL), [read_edit(edit)])
    tokens = tuple(model.tokenizer.encode("hello world").tolist())
    plan = make_training_plan(model.config, tokens, optimizer_of(model.recipe), digits=4)
    return compare_with_unchanged(trace_model(model, "tiny", "hello world", plan), changes)


def test_every_number(reader: Reader, hello: Trace) -> None:
    count = f"{len(worked_labels(hello)):,}"
    assert f"✓ When this page opened, all {count} numbers that your browser worked out" in reader.text("#comparison")
    reader.open_all()
    assert differences(reader.numbers(), hello) == []
    assert reader.text(".answer") == "After hello ␣ it expects world: 97 %."


def check_lines(reader: Reader, trace: Trace, labels: list[str], folder: Path) -> dict[str, str]:
    """Check lines as they are displayed: with handcalc.verify, and with Python's arithmetic. Return them by label."""
    lines = [line for line in reader.lines(labels) if line is not None]
    file = folder / "lines.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert verify([str(file), "--digits", str(trace.plan.digits)]) == 0
    shown = {line.split(" = ", 1)[0]: line for line in lines}
    numbers = expected_numbers(trace)
    steps = {step.name: step for step in trace.plan.steps}
    for label in labels:
        name, _, index = label.rstrip("]").partition("[")
        if name in steps:
            cell = tuple(int(place) for place in index.split(",") if place)
            written = arithmetic(steps[name].cell(*cell), trace.numbers)
            assert shown.get(label) == (written and f"{label} = {written} = {numbers[label]}")
    return shown


def worked_labels(trace: Trace) -> list[str]:
    weights = {cell_label(name, index) for name in trace.plan.weight_shapes for index in trace.numbers[name]}
    return [label for label in expected_numbers(trace) if label not in weights]


def test_worked_lines(reader: Reader, hello: Trace, tmp_path: Path) -> None:
    labels = random.Random(18).sample(worked_labels(hello), 30)
    check_lines(reader, hello, labels, tmp_path)


@pytest.mark.prove
def test_every_worked_line(reader: Reader, hello: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = check_lines(reader, hello, worked_labels(hello), tmp_path)
    reader.open_all()
    numbers = reader.numbers()
    capsys.readouterr()
    assert trace_command(["hello world", "--update", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    for tensor in (*document["weights"], *document["steps"]):
        for cell in tensor["cells"]:
            place, value = (tensor["name"], tuple(cell["index"])), cell["value"]
            label = cell_label(*place)
            assert numbers[label] == ("masked" if place in hello.masked else value)
            assert cell["expression"] is None or shown[label] == f"{label} = {cell['expression']} = {value}"


def test_an_edit_and_back(reader: Reader, hello: Trace) -> None:
    reader.open_all()
    reader.edit(WORLD, "0")
    changed = edited(f"{WORLD}=0")
    found = reader.numbers()
    assert differences(found, changed) == []
    assert "You changed wte.weight[31,0] to 0. P(world | hello ␣) 0.9699 → 0.03213; loss" in reader.text("#changes")
    before = expected_numbers(hello)
    marked = reader.page.evaluate("[...document.querySelectorAll('#steps td.changed')].map((td) => td.dataset.cell)")
    assert set(marked) == {label for label, text in found.items() if before[label] != text}
    assert "was 0.9699" in reader.text(".position.explained .bars li:has-text('world')")
    reader.page.click("#undo")
    assert differences(reader.numbers(), hello) == []
    assert not reader.page.is_visible("#changes") and not reader.page.query_selector("td.changed")


CHANGE_AND_FOLD = """() => {
  for (const text of ["0", "1"]) {
    document.querySelector("#new-value").value = text;
    document.querySelector("#set-weight").click();
    document.querySelectorAll("details.step[open]").forEach((details) => details.removeAttribute("open"));
  }
}"""


def test_steps_folded_while_their_numbers_wait(reader: Reader) -> None:
    reader.open_all()
    reader.go(WORLD)
    reader.page.evaluate(CHANGE_AND_FOLD)
    reader.page.wait_for_selector("[aria-busy]", state="detached")
    assert reader.errors == []


def test_a_page_of_a_changed_model(browser: Any, hello: Trace) -> None:
    reader = open_page(browser, edited(f"{WORLD}=0"))
    intro = reader.text("header.page")
    assert "with 4 digits" in intro and "Changed in the model (--set): wte.weight[31,0] from 0.91 to 0." in intro
    assert reader.text("#comparison").startswith("✓")
    assert "You changed wte.weight[31,0] to 0. P(world | hello ␣) 0.9699 → 0.03213; loss" in reader.text("#changes")
    assert reader.page.locator(".position.explained .bar .before").count() > 0
    reader.page.click("#undo")
    assert reader.text(".answer").endswith("world: 97 %.") and not reader.page.is_visible("#changes")
    reader.close()


def test_other_words(browser: Any, train_random: Callable[..., Any]) -> None:
    first, _ = train_random((1, 0, 2), 4)
    reader = open_page(browser, first)
    reader.open_all()
    reader.choose_word(0, 5)
    reader.page.focus("#word-2")
    reader.choose_word(2, 3)
    assert differences(reader.numbers(), train_random((5, 0, 3), 4)[0]) == []
    assert reader.page.evaluate("document.activeElement.id") == "word-2"
    reader.page.click("#reset")
    assert differences(reader.numbers(), first) == []
    reader.close()


def check_steps(reader: Reader, first: Trace, count: int) -> None:
    trace = first
    reader.open_all()
    for number in range(1, count + 1):
        reader.take_step()
        trace = take_step(trace)
        reader.open_all()
        assert differences(reader.numbers(), trace) == []
        assert reader.page.locator(".curve circle").count() == number + 1
    words = reader.text("#learning .controls")
    assert words.endswith(f"{count} steps taken; at first the loss was {format_number(first.numbers['loss'][()])}.")
    reader.edit("wte.weight[1,0]", "0.5")
    assert differences(reader.numbers(), with_weight(trace, "wte.weight", (1, 0), "0.5")) == []
    for _ in range(count + 1):
        reader.page.click("#undo")
    assert differences(reader.numbers(), first) == []


def test_two_steps(browser: Any, train_random: Callable[..., Any]) -> None:
    trace, _ = train_random((1, 0, 2), 4)
    reader = open_page(browser, trace)
    check_steps(reader, trace, 2)
    reader.close()


@pytest.mark.prove
def test_three_steps_of_the_shipped_model(reader: Reader, hello: Trace) -> None:
    check_steps(reader, hello, 3)


def test_why_adds_up(reader: Reader) -> None:
    rows = [row.split("\t") for row in reader.text("table.why").splitlines() if "\t" in row]
    assert rows[0][:4] == ["part", "difference", "world", "fun"]
    parts, total = rows[1:-2], rows[-2]
    assert len(parts) == 2 + 2 * 3
    for column in (2, 3):
        assert abs(sum(float(row[column]) for row in parts) - float(total[column])) < 0.01
        assert abs(float(total[column]) - float(rows[-1][column])) < 0.02
    reader.page.select_option("#compared-1", "10")
    assert "17.37, hello of 1.133. A lead of 16.24 makes world e^16.24 ≈ 11300000 times as likely" in reader.text(
        "#why"
    )


def test_hover_click_and_back(reader: Reader) -> None:
    reader.page.click('#attention td[data-cell="h.1.attn.weights[0,1,0]"]')
    assert reader.page.url.endswith("#h.1.attn.weights[0,1,0]")
    operand = reader.page.locator("#line .operand").first
    source = operand.get_attribute("data-source")
    assert source == "h.1.attn.softmax.exponentials[0,1,0]"
    operand.hover()
    assert reader.text("summary.source").startswith("Layer 1: attention")
    operand.click()
    assert reader.page.url.endswith(f"#{source}") and reader.text("#line h2") == source
    cell = reader.page.locator(f'#steps td[data-cell="{source}"]')
    assert cell.is_visible() and "chosen" in str(cell.get_attribute("class"))
    reader.page.locator(".uses a", has_text="weights[0,1,0]").hover()
    assert reader.page.locator('td.source[data-cell="h.1.attn.weights[0,1,0]"]').count() >= 1
    assert reader.page.locator(".map a.here").count() >= 1
    reader.page.go_back()
    assert reader.text("#line h2") == "h.1.attn.weights[0,1,0]"


def test_walk_from_the_probability_to_a_weight(reader: Reader) -> None:
    reader.go("probabilities[1,31]")
    for name in ("softmax.exponentials", "logits", "wte.weight"):
        reader.page.locator(f'#line .operand[data-source^="{name}["]').first.click()
    assert reader.text("#line h2").startswith("wte.weight[31,") and reader.page.is_visible("#new-value")


def test_link(browser: Any, hello_html: str) -> None:
    reader = Reader(browser, hello_html, "#h.0.attn.scores[0,1,0]")
    assert reader.text("#line code.worked") == (
        "h.0.attn.scores[0,1,0] = 3.004*-0.6595 + -4.298*0.4411 + 4.534*-0.568 = -6.452"
    )
    assert reader.page.locator("td.chosen").first.is_visible()
    reader.go("h.7.attn.scores[0,1,0]")
    assert "no such number" in reader.text("#line")
    reader.close()


def test_keyboard(reader: Reader) -> None:
    press = reader.page.keyboard.press
    reader.page.focus("#attention td a")
    press("ArrowDown")
    assert reader.page.evaluate("document.activeElement.parentElement.dataset.cell") == "h.0.attn.weights[0,1,0]"
    press("Enter")
    assert reader.text("#line h2") == "h.0.attn.weights[0,1,0]"
    assert reader.page.evaluate("document.activeElement.id") == "line-title"
    press("Tab"), press("Tab")
    assert "operand" in reader.page.evaluate("document.activeElement.className")
    assert reader.page.locator(".source").count() >= 1
    press("Escape")
    assert not reader.page.is_visible("#line")
    assert reader.page.evaluate("document.activeElement.parentElement.dataset.cell") == "h.0.attn.weights[0,1,0]"
    press("End"), press("Home"), press("ArrowUp")
    assert reader.page.evaluate("document.activeElement.parentElement.dataset.cell") == "h.0.attn.weights[0,0,0]"
    assert reader.page.evaluate("document.querySelectorAll('#attention a[tabindex=\"0\"]').length") == 4


NO_WEIGHTS = {
    "abc": "wte.weight[31,0] cannot be “abc”: a weight is a number such as 0.25 or -1.5e-3. Nothing was changed.",
    "": "Type a number, such as 0.25.",
    "0,5": "a weight is a number such as 0.25 or -1.5e-3; use a point: 0.5. Nothing was changed.",
    "<script>alert(1)</script>": "cannot be “<script>alert(1)</script>”:",
    "1" * 2000: "cannot be “1111",
    "inf": "a weight must be finite",
    "9e9999": "a number of the trace reaches 1e+10000, too large for the calculator",
}


def test_what_no_weight_can_be(reader: Reader) -> None:
    for text, words in NO_WEIGHTS.items():
        reader.edit(WORLD, text)
        assert words in reader.text("#edit-error") and reader.text("#edit-error").endswith("Nothing was changed.")
        assert reader.page.input_value("#new-value") == text
        assert reader.text(".answer").endswith("world: 97 %.") and not reader.page.is_visible("#changes")
    reader.edit(WORLD, "0.91")
    assert reader.page.locator("#edit-error").inner_text() == ""


HOSTILE = ("<script>fail()</script>", "\"'><img src=x onerror=fail()>", "אבג", "\u0301", "\u202eabc", "</script>")


def test_words_are_only_text(browser: Any) -> None:
    config = GPTConfig(vocab_size=6, block_size=4, n_layer=1, n_head=1, n_embd=4)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 0.5, shape).round(2) for name, shape in parameter_shapes(config).items()}
    plan = make_plan(config, (0, 1, 3, 4), digits=4)
    trace = work_out(plan, arrays, HOSTILE, "".join(HOSTILE), model=HOSTILE[0])
    reader = open_page(browser, trace)
    options = reader.page.locator("#word-0 option").all_inner_texts()
    assert options == [HOSTILE[0], HOSTILE[1].replace(" ", "␣"), "אבג", "◌\u0301", "\\u{202e}abc", HOSTILE[5]]
    assert HOSTILE[0] in reader.text("header.page") and not reader.page.query_selector("img")
    assert reader.page.evaluate("[...document.querySelectorAll('.word')].every((p) => p.scrollWidth <= p.clientWidth)")
    reader.open_all()
    assert differences(reader.numbers(), trace) == []
    reader.close()


def test_a_page_that_computes_otherwise_says_so(browser: Any, hello_html: str) -> None:
    wrong = hello_html.replace('"0.91"', '"0.92"', 1)
    reader = Reader(browser, wrong)
    assert reader.text("#comparison").startswith("⚠ Of the 16,295 numbers")
    reader.close()


def test_on_a_phone(browser: Any, hello_html: str) -> None:
    reader = Reader(browser, hello_html, viewport={"width": 390, "height": 844})
    reader.edit(WORLD, "0")
    for scheme in ("light", "dark"):
        reader.page.emulate_media(color_scheme=scheme)
        assert reader.page.evaluate("document.documentElement.scrollWidth") == 390
    reader.close()


OPEN = """(name) => {
  const step = document.getElementById(`step:${name}`);
  step.closest("details.part").open = step.open = true;
  return new Promise((resolve) => setTimeout(resolve));
}"""


def test_print(reader: Reader) -> None:
    reader.go(WORLD)
    reader.page.emulate_media(media="print")
    assert reader.page.is_visible("#line .line") and not reader.page.is_visible("#line .uses")
    assert reader.page.is_visible("#why table") and reader.page.is_visible("#why .hint")
    assert not reader.page.is_visible("#steps .part:not([open])")
    assert reader.page.locator("button:visible").count() == 0
    reader.page.set_viewport_size({"width": 717, "height": 1000})  # A4 between its margins
    for name in ("logits", "h.0.mlp.hidden", "h.0.attn.c_attn.weight", "wte.weight"):
        reader.page.evaluate(OPEN, name)
    assert reader.page.locator("#steps table").count() == 8
    assert reader.page.evaluate("document.documentElement.scrollWidth") == 717


STRUCTURE = """() => {
  const problems = [];
  const name = (node) => node.textContent.trim() || node.getAttribute("aria-label");
  for (const node of document.querySelectorAll("button, a, summary")) if (!name(node)) problems.push(node.outerHTML);
  for (const node of document.querySelectorAll("input, select")) if (!node.labels.length) problems.push(node.outerHTML);
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent) problems.push("a table without a caption");
    const unclear = [...table.querySelectorAll("th")].filter((head) => !head.scope || !head.textContent);
    problems.push(...unclear.map((head) => head.outerHTML));
  }
  const levels = [...document.querySelectorAll("main :is(h1, h2, h3)")].map((head) => Number(head.tagName[1]));
  levels.forEach((level, place) => { if (level > (levels[place - 1] ?? 0) + 1) problems.push(`heading ${place}`); });
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) problems.push("two elements with the same id");
  return problems;
}"""


def test_what_a_screen_reader_needs(reader: Reader) -> None:
    reader.edit(WORLD, "0")
    assert reader.page.evaluate(STRUCTURE) == []
    assert reader.page.inner_text("#announcement").startswith("You changed wte.weight[31,0] to 0.")


VARIANTS: list[dict[str, Any]] = [
    {"n_layer": 0},
    {"bias": False, "tie_weights": False, "n_head": 4},
    {"activation": "relu", "n_layer": 2},
    {"activation": "gelu_erf"},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_variants(changes: dict[str, Any], browser: Any, train_random: Callable[..., Any]) -> None:
    trace, _ = train_random((1, 0, 2, 5), 5, **changes)
    reader = open_page(browser, trace)
    assert reader.text("#comparison").startswith("✓")
    reader.open_all()
    assert differences(reader.numbers(), trace) == []
    reader.close()


def test_without_targets(browser: Any, trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("once upon a", 6)
    reader = open_page(browser, trace)
    reader.open_all()
    assert differences(reader.numbers(), trace) == []
    assert not reader.page.is_visible("#learning") and not reader.page.query_selector(".target")
    reader.close()


def test_size(hello_html: str) -> None:
    assert len(hello_html.encode()) < 600_000
    assert "http://" not in hello_html.replace("http://www.w3.org/2000/svg", "") and "https://" not in hello_html
