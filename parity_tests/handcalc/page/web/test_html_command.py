"""The command that writes the page, what it refuses, and the committed example.

If the page is meant to change, renew the file and look at it::

    make page
"""

from __future__ import annotations

import json
import re
import webbrowser
from pathlib import Path

import pytest

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from handcalc.page.web.html_format import html_page
from handcalc.trace import main
from handcalc.tracing import size
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import Checkpoint, save_checkpoint
from parity_tests.handcalc.page.web.reader import page_data

HELLO_WORLD = Path(__file__).parents[4] / "docs" / "hello-world.html"
COMMAND = ["hello world", "--update", "--format", "html"]

Capture = pytest.CaptureFixture[str]


def test_committed_example(tmp_path: Path) -> None:
    elsewhere = tmp_path / "page.html"
    assert main([*COMMAND, "--output", str(elsewhere)]) == 0
    written = re.sub(r'"[^"]*derivations\.md#', '"derivations.md#', elsewhere.read_text(encoding="utf-8"))
    assert HELLO_WORLD.read_text(encoding="utf-8") == written, "make page renews it"


def test_links_to_derivations() -> None:
    chapters = page_data(HELLO_WORLD.read_text(encoding="utf-8"))["derivations"]
    assert (
        chapters["8"] == "derivations.md#8-attention" and chapters["17"] == "derivations.md#17-where-a-logit-comes-from"
    )
    steps = page_data(HELLO_WORLD.read_text(encoding="utf-8"))["steps"]
    assert {step["section"].split(".")[0] for step in steps if step["section"]} <= set(chapters)


def test_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    file = tmp_path / "a page.html"
    assert main(["hello", "--format", "html", "--output", str(file), "--open"]) == 0
    assert opened == [file.as_uri()] and capsys.readouterr() == ("", "")
    assert main(["hello", "--format", "html", "--output", str(file), "--open"]) == 0
    assert capsys.readouterr().err == f"no web browser was found; open {file} in one\n"


def test_to_the_screen(capsys: Capture) -> None:
    assert main(["hello", "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>") and page_data(page)["derivations"] == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hello", "--open"], "--open shows a page that was written: add --format html --output FILE"),
        (["hello", "--format", "html", "--open"], "--open shows a page that was written"),
        (["hello", "--format", "html", "--head", "0"], "a web page always has every step: leave out --only"),
        (["hello", "--format", "html", "--only", "logits"], "a web page always has every step"),
        (["hello", "--format", "html", "--output", "/dev/full/x"], "cannot write"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_rms_norm_is_refused(tmp_path: Path, capsys: Capture) -> None:
    config = GPTConfig(vocab_size=2, block_size=4, n_layer=1, n_head=1, n_embd=2, norm="rms_norm")
    save_checkpoint(tmp_path / "c", Checkpoint(config, CharacterTokenizer(("a", "b")), initial_values(config, 0)))
    assert main(["ab", "--model", str(tmp_path / "c"), "--format", "html"]) == 2
    expected = "a web page shows a GPT with layer norm, and this one has norm='rms_norm': choose another --model"
    assert expected in capsys.readouterr().err


def test_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture) -> None:
    monkeypatch.setattr(size, "MOST_WEB_OPERANDS", 10_000)
    file = tmp_path / "page.html"
    file.write_text("mine", encoding="utf-8")
    assert main([*COMMAND, "--output", str(file)]) == 2
    assert "too large for a web page" in capsys.readouterr().err and file.read_text(encoding="utf-8") == "mine"
    assert main([*COMMAND, "--output", str(file), "--force"]) == 0


def test_words_cannot_end_the_data(trace_shipped: object, train_shipped: object) -> None:
    trace: Trace = trace_shipped("hello")  # type: ignore[operator]
    hostile = "</script><!-- <script> & \u2028"
    page = html_page(trace._replace(model=hostile, text=hostile, vocabulary=(hostile, *trace.vocabulary[1:])))
    assert page.lower().count("<script") == page.lower().count("</script>") == 2 and "<!--" not in page
    data = page_data(page)
    assert data["model"] == data["text"] == data["vocabulary"][0] == hostile
    assert "<title>“&lt;/script&gt;" in page


def test_config_is_complete() -> None:
    data = page_data(HELLO_WORLD.read_text(encoding="utf-8"))
    fields = {name: value for name, value in data["config"].items() if name not in ("layer_norm_epsilon", "n_hidden")}
    config = GPTConfig(**fields, layer_norm_epsilon=float(data["config"]["layer_norm_epsilon"]))
    assert {weights["name"]: tuple(weights["shape"]) for weights in data["weights"]} == parameter_shapes(config)
    assert json.dumps(data["checksum"]).startswith('{"count": ')
