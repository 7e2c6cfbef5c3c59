"""Tables of tokens and probabilities, for ``sample --show`` and ``step``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

import numpy as np

from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import quote
from numpy_gpt.shared.cli.token_text import counted, quoted
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.sampling_choice import Draw

_NARROWEST, _WIDEST = 7, 16  # columns for a token: "sampled" fits, and longer tokens push the rest aside
_PAGE = 120  # columns where the output is no terminal


def token_width(tokenizer: Tokenizer, vocab_size: int) -> int:
    """Return how many columns the tokens of a table take; ``vocab_size`` is the model's, which may be padded."""
    longest = max(len(quoted(tokenizer, token)) for token in range(vocab_size))
    return min(max(longest, _NARROWEST), _WIDEST)


def prompt_table(tokenizer: Tokenizer, text: str, tokens: Sequence[int], width: int) -> str:
    """Return how a text became tokens: a line for each, with its place and id."""
    heading = f"prompt {quote(text)}: {counted(len(tokens), 'token')} of a vocabulary of {tokenizer.vocab_size:,}"
    lines = [heading, f"{'position':>8}  {'token':<{width}} {'id':>5}"]
    lines += [f"{place:8}  {quoted(tokenizer, token):<{width}} {token:5}" for place, token in enumerate(tokens)]
    return "\n".join(lines)


def shown_header(count: int, width: int) -> str:
    """Return the heading over ``shown_draw``'s lines."""
    what = f"the {count} likeliest" if count > 1 else "the likeliest"
    return f"{'new':>8}  {'sampled':<{width}} {'p':>6}  {'argmax':<{width}} {'p':>6}  {what}"


def shown_draw(tokenizer: Tokenizer, number: int, draw: Draw, count: int, width: int) -> str:
    """Return a line for one drawn token: itself, the argmax beside it, and the likeliest with their probabilities.

    The probabilities are those that it was drawn from: after temperature, top-k and top-p. What does not fit into the
    terminal goes on in the next line.
    """
    p = draw.probabilities
    top = likeliest(p, count)
    sampled, argmax = (f"{quoted(tokenizer, token):<{width}} {p[token]:6.4f}" for token in (draw.token, top[0]))
    names = [f"{quoted(tokenizer, token)} {p[token]:.4f}" for token in top]
    return _in_rows(f"{number:8}  {sampled}  {argmax}", names, _page_width())


def likeliest(probabilities: Array, count: int) -> list[int]:
    """Return the ids of the ``count`` likeliest tokens of (V,), of equals the lower id first; none that is impossible.

    The first of them is the argmax.
    """
    order = np.argsort(-probabilities, kind="stable")
    return [int(token) for token in order[:count] if probabilities[token] > 0]


def change_table(tokenizer: Tokenizer, before: Array, after: Array, target: int, count: int | None) -> str:
    """Return the probabilities (V,) of one position before and after a step, likeliest first; the target is marked."""
    width = token_width(tokenizer, len(before))
    order = np.argsort(-before, kind="stable")
    kept = [int(token) for token in order[:count]]
    kept += [] if target in kept else [target]
    lines = [f"  {'token':<{width}} {'before':>9} {'after':>9} {'change':>10}"]
    for token in kept:
        mark = "  <- target" if token == target else ""
        change = after[token] - before[token]
        name = f"{quoted(tokenizer, token):<{width}}"
        lines.append(f"  {name} {before[token]:9.6f} {after[token]:9.6f} {change:+10.6f}{mark}")
    return "\n".join(lines)


def _page_width() -> int:
    return shutil.get_terminal_size((_PAGE, 24)).columns if sys.stdout.isatty() else _PAGE


def _in_rows(start: str, parts: Iterable[str], page: int) -> str:
    """Return the parts after ``start``, in as many rows as a page of that many columns needs."""
    indent = len(start) if len(start) <= page // 2 else 8
    rows = [start]
    for part in parts:
        if len(rows[-1]) + 2 + len(part) > page and rows[-1].strip():
            rows.append(" " * indent)
        rows[-1] += f"  {part}"
    return "\n".join(rows)
