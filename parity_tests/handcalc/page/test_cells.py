"""Single cells on a page: their worked lines without the tables, in every format, and what handcalc.verify says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gpt_data.tokens.id_tokenizer import IdTokenizer
from handcalc.page.text import text_lines
from handcalc.trace import main
from handcalc.tracing.plan import make_plan
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace, load_model, trace_model
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from handcalc.verify import main as verify

Capture = pytest.CaptureFixture[str]
CHOICES = [
    "attn.weights[0,2,0]",
    "h.0.attn.weights[0,0,2],logits[2,31],logits[2,3],h.1.attn.q",
    "attn.weights[1,2,1],attn.weights[0,1,0],attn.weights",
    "attribution.token[2,0],attribution.read[0,1],rstd[1]",
]


def page_of(capsys: Capture, *options: str) -> str:
    assert main(["hello world", *options]) == 0
    return capsys.readouterr().out


def test_a_cell_is_one_worked_line(capsys: Capture) -> None:
    page = page_of(capsys, "--only", "attn.weights[0,2,0]")
    opening, *steps = re.split(r"\n[0-9]+\. ", page)
    assert len(opening[: opening.index("\n\n\n")].splitlines()) == 6, "the title, and three lines about the model"
    assert [step.split("\n", 1)[0] for step in steps] == ["h.0.attn.weights", "h.1.attn.weights"]
    for layer, step in enumerate(steps):
        assert "each position gives" in step and "(8.5)" in step and "1 of 18 numbers chosen" in step
        assert re.findall(r"^    (\S+\]) = \S+/\S+ = ", step, re.MULTILINE) == [f"h.{layer}.attn.weights[0,2,0]"]
        assert "head 0" not in step and "t \\ s" not in step


def test_ids_are_separated_by_spaces() -> None:
    """Of a vocabulary that is not known, the words of a text are its ids."""
    trace = ids_trace("1 2 13 4")
    lines = "\n".join(text_lines(trace, Selection(), full=False))
    assert 'After "1 2 13 4" the likeliest' in lines and "P(4 | 1 2 13)" in lines
    assert not check_document(read_document(lines), None).findings


def ids_trace(text: str) -> Trace:
    model = replace(load_model("untrained")[0], tokenizer=IdTokenizer(32))
    plan = make_plan(model.config, tuple(model.tokenizer.encode(text).tolist()), digits=4)
    return trace_model(model, "ids", text, plan)


def test_a_masked_cell_says_so(capsys: Capture) -> None:
    page = page_of(capsys, "--only", "h.0.attn.weights[1,0,2]")
    assert "h.0.attn.weights[1,0,2] is masked: attention at position 0 must not see position 2" in page


def test_a_step_with_one_of_its_cells(capsys: Capture) -> None:
    page = page_of(capsys, "--only", "h.0.attn.weights,h.0.attn.weights[1,1,0]")
    assert "head 1" in page and re.findall(r"^    (\S+\d\]) = ", page, re.MULTILINE) == ["h.0.attn.weights[1,1,0]"]


def test_json_has_the_chosen_cells(capsys: Capture) -> None:
    record = json.loads(page_of(capsys, "--format", "json", "--only", "logits[2,31],h.0.attn.weights[0,0,2],rstd[1]"))
    cells = {step["name"]: [cell["index"] for cell in step["cells"]] for step in record["steps"]}
    assert cells["logits"] == [[2, 31]] and cells["h.0.attn.weights"] == [[0, 0, 2]] and len(cells) == 7
    assert record["chosen"][:2] == [{"name": "h.0.ln_1.rstd", "index": [1]}, {"name": "h.0.attn.weights", "index": [0, 0, 2]}]  # noqa: E501  # fmt: skip
    (masked,) = record["steps"][1]["cells"]
    assert masked["masked"] and masked["expression"] is None
    assert json.loads(page_of(capsys, "--format", "json", "--only", "logits"))["chosen"] == []


def test_the_attribution_has_only_what_was_worked_out(capsys: Capture) -> None:
    assert "attribution.token[2,25] = " in page_of(capsys, "--only", "attribution.token[2,25]")
    assert main(["hello world", "--only", "attribution.token[1,31]"]) == 2
    assert capsys.readouterr().err == (
        "error: attribution.token[1,31] is not worked out: logits are split only after position 2 (--position chooses "
        "another), for the words 0 (␣) and 25 (project)\n"
    )
    assert "attribution.token[1,31] = " in page_of(capsys, "--only", "attribution.token[1,31]", "--position", "1")


def test_list_of_a_cell(capsys: Capture) -> None:
    assert main(["--list", "--only", "attn.weights[0,7,0]"]) == 0
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize("only", CHOICES)
def test_verify_accepts_chosen_cells(form: str, only: str, tmp_path: Path, capsys: Capture) -> None:
    for options in (["--only", only], ["--only", only, "--full"]):
        page = tmp_path / "page"
        assert main(["hello world", "--format", form, *options, "--output", str(page)]) == 0
        assert verify([str(page)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\n    logits\[2,3\] = [^=]*= \S+", ""),  # a line that was chosen is missing
        (r"\n    h\.0\.attn\.weights\[0,0,2\] is masked.*", ""),
        (r"(\n    logits\[2,3\] = [^=]*= \S+)", r"\1\1"),
        (r"2 of 96 numbers", "3 of 96 numbers"),
        (r", 2 of 96 numbers chosen", ""),
        (r"logits\[2,3\] = ", "logits[2,99] = "),
        (r"logits\[2,3\] = ", "logits[3] = "),
        (r"must not see position 2", "must not see position 1"),
        (r"h\.0\.attn\.weights\[0,0,2\] is masked", "h.0.attn.weights[0,2,0] is masked"),
    ],
)
def test_changes_among_chosen_cells_are_found(old: str, new: str, tmp_path: Path, capsys: Capture) -> None:
    text = page_of(capsys, "--only", CHOICES[1])
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    page = tmp_path / "page"
    page.write_text(changed, encoding="utf-8")
    assert verify([str(page)]) == 1


@pytest.mark.parametrize(
    ("chosen", "status"),
    [
        ([], 1),
        ([{"name": "logits", "index": [99, 99]}], 1),
        ([{"name": "no such step", "index": [2, 3]}], 1),
        ([{"name": "logits", "index": [2, "3"]}], 2),
        ([{"name": {}, "index": [2, 3]}], 2),
        ([3], 2),
        (None, 2),
    ],
)
def test_false_lists_of_chosen_cells(chosen: object, status: int, tmp_path: Path, capsys: Capture) -> None:
    record = json.loads(page_of(capsys, "--format", "json", "--only", "logits[2,3]"))
    page = tmp_path / "page.json"
    page.write_text(json.dumps(record | {"chosen": chosen}), encoding="utf-8")
    assert verify([str(page)]) == status
