"""What a reader of the page is told and shown: jumps arrive, words can be typed, and every sentence is true."""

from __future__ import annotations

import json

import pytest

from handcalc.tracing.trace import Trace
from parity_tests.handcalc.page.web.reader import Reader, expected_numbers

JUMP = """async (labels) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const missed = [];
  for (const label of labels) {
    document.querySelectorAll("#steps details[open]").forEach((details) => details.removeAttribute("open"));
    document.querySelectorAll(".step-body").forEach((body) => body.replaceChildren());
    scrollTo(0, 0);
    location.hash = `#${label}`;
    for (let count = 0; count < 4; count++) await frame();
    const panel = document.querySelector("#line").getBoundingClientRect();
    const [width, height] = panel.left > 0 ? [panel.left, innerHeight] : [innerWidth, panel.top];
    const places = [...document.querySelectorAll(".chosen")].map((cell) => cell.getBoundingClientRect());
    const seen = ({ top, bottom, left, right }) => top >= 0 && bottom <= height && left >= 0 && right <= width;
    if (!places.some(seen)) missed.push(`${label} is at ${places.map(({ left, top }) => `${left}, ${top}`)}`);
  }
  return JSON.stringify(missed);
}"""

WORLD = "wte.weight[31,0]"
LOWER_ROWS = ["logits[1,31]", "dlogits[1,31]", "wte.weight[31,0]", "h.0.mlp.c_fc.weight[0,23]"]


def missed_jumps(reader: Reader, labels: list[str]) -> list[str]:
    return list(json.loads(reader.page.evaluate(JUMP, labels)))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_jump_to_a_lower_row(reader: Reader, width: int) -> None:
    reader.page.set_viewport_size({"width": width, "height": 844})
    assert missed_jumps(reader, LOWER_ROWS) == []


@pytest.mark.prove
@pytest.mark.parametrize(("width", "every"), [(1440, 1), (390, 4)])
def test_a_jump_to_the_last_row_of_every_tensor(reader: Reader, hello: Trace, width: int, every: int) -> None:
    last = {label.partition("[")[0]: label for label in expected_numbers(hello)}
    reader.page.set_viewport_size({"width": width, "height": 844})
    assert missed_jumps(reader, list(last.values())[::every]) == []


def word_of(reader: Reader, place: int) -> str:
    return str(reader.page.evaluate(f"document.querySelector('#word-{place}').selectedOptions[0].text"))


def test_a_word_can_be_typed(reader: Reader) -> None:
    reader.page.focus("#word-0")
    for letter in "mach":
        reader.page.keyboard.press(letter)
        reader.page.wait_for_timeout(50)
    assert word_of(reader, 0) == "machine" and not reader.page.is_visible("#changes")  # it waits for more letters
    for key in ("ArrowDown", "ArrowUp", "Tab"):
        reader.page.keyboard.press(key)
    reader.page.wait_for_selector("#changes:not([hidden])")
    assert reader.page.evaluate("document.activeElement.className") == "bar-word"
    reader.choose_word(0, 1)
    reader.page.focus("#undo")
    reader.page.keyboard.press("Enter")  # once: both were choices of the same word
    assert reader.text(".answer") == "After hello ␣ it expects world: 97 %." and not reader.page.is_visible("#changes")
    assert reader.page.evaluate("document.activeElement.className") == "bar-word"


def test_what_was_typed_is_applied_before_anything_else(reader: Reader) -> None:
    reader.page.focus("#word-0")
    reader.page.keyboard.press("m")
    reader.take_step()
    assert reader.text("#changes p").startswith("You changed the word at position 0 to machine, and took a training")


SENTENCES = {
    (
        0,
        "machine",
    ): "the word at position 0 to machine. P(world | hello ␣) was 0.9699; P(world | machine ␣) is 2.568e-06;",
    (2, "fun"): "The last word to predict is now fun, which the model gives 0.01607; so the loss rises from 0.01626 to",
}


@pytest.mark.parametrize(("place", "word"), SENTENCES)
def test_what_another_word_changes(place: int, word: str, reader: Reader) -> None:
    reader.page.select_option(f"#word-{place}", label=word)
    assert SENTENCES[place, word] in reader.text("#changes p")


@pytest.mark.prove
def test_steps_that_the_digits_do_not_show(reader: Reader) -> None:
    reader.page.evaluate("for (let step = 0; step < 25; step++) document.querySelector('#take-step').click()")
    assert reader.text("#changes p").startswith("You took 25 training steps. P(world | hello ␣) 0.9699 → ")
    before, after = reader.page.locator("#learning p").first.locator("a").all_inner_texts()
    assert before == after and "Of the 1,134 weights 726 still move." in reader.text("#learning")


def test_undo_and_reset_leave_the_focus_where_the_change_was_made(reader: Reader) -> None:
    focus = "document.activeElement.id"
    for button in ("undo", "reset"):
        reader.edit(WORLD, "0")
        reader.page.focus(f"#{button}")
        reader.page.keyboard.press("Enter")
        assert not reader.page.is_visible("#changes") and reader.page.evaluate(focus) == "set-weight"
    reader.page.keyboard.press("Enter")
    reader.page.click("#zero-weight")
    reader.page.click("#restore-weight")
    assert reader.page.evaluate(focus) == "line-title"


WHY = (
    "After hello ␣, {} A lead of 4.1 makes world e^4.1 ≈ 60.3 times as likely as fun: 0.9699 against 0.01607. "
    "Most for {}."
)


def test_why_says_what_a_lead_means(reader: Reader) -> None:
    for_world = (
        "token embedding, the vector of ␣ itself (+13.92); most against it: layer 0, feed-forward network (-16.18)"
    )
    scores = "world gets a score (logit) of 17.37, fun of 13.27."
    assert reader.text("#why p") == WHY.format(scores, f"world: {for_world}")
    reader.page.select_option("#compared-0", label="fun")  # which was the other word: the two change places
    for_fun = (
        "layer 0, feed-forward network (+16.18); most against it: token embedding, the vector of ␣ itself (-13.92)"
    )
    scores = "fun gets a score (logit) of 13.27, world of 17.37."
    assert reader.text("#why p") == WHY.format(scores, f"fun: {for_fun}")
    assert "fun" not in reader.page.locator("#compared-1 option").all_inner_texts()


PLACES = {
    "h.0.attn.scores[0,1,0]": "head 0 · from ␣ (position 1) · to hello (position 0)",
    "logits[1,5]": "at ␣ (position 1) · word: be",
    "h.0.attn.c_attn.weight[0,17]": "channel 0 · column 17 v head 1",
    "h.0.attn.c_proj.weight[3,1]": "channel 3 head 1 · channel 1",
    "before.m.wpe.weight[2,1]": "position 2 · channel 1",
}


def test_the_panel_says_whose_number_it_is(reader: Reader) -> None:
    reader.take_step()  # before it, there are no earlier moments
    for label, places in PLACES.items():
        reader.go(label)
        assert reader.text("#line .whereabouts") == places
    reader.go("softmax.exponentials[1,5]")
    assert "probabilities[1,5] (be) = " in reader.text("#line .uses")


def test_a_probability_leads_to_the_loss_and_to_its_gradient(reader: Reader) -> None:
    reader.go("probabilities[1,31]")
    assert "the loss uses the logits directly, which is more exact (losses[1])." in reader.text("#line .related")
    reader.page.locator("#line .related a").last.click()
    assert reader.text("#line h2") == "dlogits[1,31]"


def test_a_matrix_that_is_turned_says_so(reader: Reader) -> None:
    reader.go("h.0.attn.c_attn.weight[0,0]")
    table = reader.page.locator("#steps .step[open] table").first
    assert "(shown turned: rows and columns exchanged)" in table.locator("caption").inner_text()
    titles = table.locator("th[scope=row]").all_inner_texts()
    assert titles[::8] == ["0 q head 0", "8 k head 0", "16 v head 1"]
