"""What the tests of the library door share: a hostile model, one of everything that is shown, and a reader of HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.runs.checkpoint import Checkpoint, save_checkpoint

HOSTILE_TEXT = "<b>&\"'\n</"
_NEVER_CLOSED = {"br", "hr", "img", "meta"}


def hostile_model(directory: Path) -> Path:
    """Return the directory of an untrained model whose name and vocabulary are markup."""
    tokenizer = CharacterTokenizer(tuple(dict.fromkeys(HOSTILE_TEXT)))
    config = GPTConfig(vocab_size=tokenizer.vocab_size + 1, block_size=12, n_layer=1, n_head=1, n_embd=2)
    place = directory / "<script>&"
    save_checkpoint(place, Checkpoint(config, tokenizer, initial_values(config, 0)))
    return place


def everything_shown(model: Any, text: str) -> dict[str, Any]:
    """Return one of each object that a model returns, and the model, by name."""
    trace = model.trace(text, update=True)
    return {
        "model": model,
        "tokenizer": model.tokenizer,
        "prediction": model.predict(text),
        "guesses": model.guess(text),
        "maps": model.attention(text),
        "learned": model.step(text),
        "trace": trace,
        "lines": trace.lines("attn.scores[0,1,0]", "*attn.dq"),
        "line": trace.lines("*attn.scores[0,1,0]")[0],
        "plan": trace.plan,
        "step": trace.plan.steps[5],
        "float64": trace.training,
    }


class Reading(HTMLParser):
    """The elements and the text of HTML, whose every element must be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in _NEVER_CLOSED:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text += data
