"""The phrases of a page that handcalc.verify reads back: each writer has its reader directly below it.

A change of one needs the same change of the other. Patterns are compiled when they are used, because a trace does not
need them and should start quickly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import prod
from typing import Any, NamedTuple

from gpt_data.wording import count_of
from handcalc.arithmetic.notation import NAME, NUMBER
from handcalc.arithmetic.writing import cell_label, format_number
from handcalc.formulas.adamw import Optimizer
from handcalc.tracing.trace import Change
from numpy_gpt.shared.model.config import KINDS, BigramConfig, ModelConfig

RESULT, CHANGES, STAGES = "result", "before, change, after", "every weight, step by step"
"""Titles of tables: a step's numbers below the weights it uses; a parameter before and after the update; its numbers in
all steps of AdamW."""

_KIND_NAMES = {"gpt": "GPT", "bigram": "bigram model"}
SPACE_INCLUDED = "(including the space)"
UPDATE_PURPOSE = "Update: each weight is moved a little so that the loss falls."
"""What a page with an update says on its first screen."""

_TABLE = "one table with a row of logits for each word"
_TOKENS = "The tokens: "
_SHORT_TOKENS, _SHORT_TARGETS = "Tokens: ", " and next: "


def kind_name(config: ModelConfig) -> str:
    """Return what kind of model it is, in words."""
    return next(_KIND_NAMES[kind] for kind, config_type in KINDS.items() if isinstance(config, config_type))


def write_title(config: ModelConfig) -> str:
    """Return the first line of a page."""
    return _title(kind_name(config))


def is_title(line: str) -> bool:
    """Return whether a line, of text or Markdown, is the title of a page."""
    return line.lstrip("# ") in map(_title, _KIND_NAMES.values())


def _title(kind: str) -> str:
    return f"The arithmetic of a {kind}, by pocket calculator"


def write_digits(digits: int) -> str:
    """Return how many digits a page rounds to: ``rounding to 4 significant digits``."""
    return f"rounding to {count_of(digits, 'significant digit')}"


def read_digits(text: str) -> int | None:
    """Return how many digits a page rounds to, or None if it does not say so."""
    match = re.search("rounding to ([0-9]{1,9}) significant digit", text)
    return int(match[1]) if match else None


def write_shape(config: ModelConfig, *, space: bool) -> str:
    """Return the shape of a model in words; ``space`` says whether the vocabulary contains the space."""
    words = f"a vocabulary of {count_of(config.vocab_size, 'word')}{f' {SPACE_INCLUDED}' * space}"
    tokens = count_of(config.block_size, "token")
    if isinstance(config, BigramConfig):
        return f"{_TABLE}, {words}, and texts of at most {tokens}."
    return (
        f"{count_of(config.n_layer, 'layer')} with {count_of(config.n_head, 'attention head')} each, width "
        f"{config.n_embd:,}, {count_of(config.head_size, 'channel')} per head, "
        f"{count_of(config.n_hidden, 'hidden unit')}, {words}, and a context of {tokens}."
    )


def read_shape(text: str) -> dict[str, Any] | None:
    """Return the fields of a model's config that give its shape, with the kind of a bigram model, or None."""
    count = "([0-9][0-9,]{0,19})"  # of limited length, so that the search is linear in the text's
    layers = (
        rf"\b{count} layers? with {count} attention heads? each, width {count}, [0-9,]{{1,20}} channels? per head, "
        r"[0-9,]{1,20} hidden units?"
    )
    words, tokens = rf"a vocabulary of {count} words?(?: \(including the space\))?", rf"{count} tokens?\."
    kind, sizes = dict[str, Any](), ["n_layer", "n_head", "n_embd", "vocab_size", "block_size"]
    match = re.search(f"{layers}, {words}, and a context of {tokens}", text)
    if match is None:
        kind, sizes = {"kind": "bigram"}, sizes[3:]
        match = re.search(f"{_TABLE}, {words}, and texts of at most {tokens}", text)
    if match is None:
        return None
    numbers = (int(number.replace(",", "")) for number in match.groups())
    return kind | dict(zip(sizes, numbers, strict=True))


def write_model(name: str, weights: int) -> str:
    """Return the name and the size of a model in words, before its shape."""
    return f"The model, {name}, has {weights:,} weights: "


def read_model(text: str) -> tuple[str, int] | None:
    """Return the name and the size of the model, or None if the page does not state them."""
    match = re.search(r"The model, (.{1,300}?), has ([0-9][0-9,]{0,19}) weights: ", text)
    return match and (match[1], int(match[2].replace(",", "")))


def write_changes(changes: Sequence[Change]) -> str:
    """Return which weights were changed, in words; empty if none was."""
    parts = [
        f"{cell_label(name, index)} from {format_number(before)} to {format_number(after)}"
        for name, index, before, after in changes
    ]
    return f"Changed in the model (--set): {', '.join(parts)}." if parts else ""


def read_changes(text: str) -> list[Change]:
    """Return the weights that were changed."""
    match = re.search(r"Changed in the model \(--set\): (.*?[0-9]\.)(?: |$)", text)
    one = rf"({NAME})\[([0-9,]{{1,40}})\] from (-?{NUMBER}) to (-?{NUMBER})[,.]"
    return [
        Change(name, tuple(int(place) for place in index.split(",") if place), Decimal(before), Decimal(after))
        for name, index, before, after in (re.findall(one, match[1]) if match else ())
    ]


def write_amount(numbers: int, steps: int, worked_out: int | None = None) -> str:
    """Return the size of the calculation in words; of a large model only some of the steps are worked out."""
    part = "" if worked_out in (None, steps) else f"{worked_out} of "
    return f"{numbers:,} numbers in {part}{steps} steps."


def read_amount(text: str) -> int | None:
    """Return the number of steps of the calculation, or None if the page does not state it."""
    match = re.search(r"[0-9] numbers in (?:[0-9]{1,9} of )?([0-9]{1,9}) steps[.,]", text)
    return match and int(match[1])


def states_part(text: str) -> bool:
    """Return whether a page says that only some of the steps were worked out."""
    return re.search(r"[0-9] numbers in [0-9]{1,9} of [0-9]{1,9} steps[.,]", text) is not None


def write_step_shape(letters: str, shape: Sequence[int], chosen: int) -> str:
    """Return the shape of a step's tensor, and how many of its numbers were chosen with --only, unless it is 0."""
    if not shape:
        return "a single number"
    text = f"shape ({letters}) = ({', '.join(map(str, shape))})"
    return text + f", {chosen:,} of {count_of(prod(shape), 'number')} chosen" * bool(chosen)


def states_chosen(line: str) -> bool:
    """Return whether a line, of text or Markdown, says that some of a step's numbers were chosen."""
    return re.fullmatch(r"(?: +|- )shape \(.*\), [0-9,]+ of [0-9,]+ numbers? chosen", line) is not None


def write_masked(label: str, t: int, s: int) -> str:
    """Return what is shown instead of the worked line of a masked cell."""
    return f"{label} is masked: attention at position {t} must not see position {s}"


def read_masked(line: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the name and the index of the masked cell, or None if the line is something else."""
    match = re.match(rf"\s*({NAME})\[([0-9]{{1,9}}(?:,[0-9]{{1,9}})*)\] is masked: ", line)
    return match and (match[1], tuple(map(int, match[2].split(","))))


def write_optimizer(optimizer: Optimizer) -> str:
    """Return the numbers of the update in words."""
    rate, decay, beta1, beta2, epsilon, most = map(format_number, optimizer)
    clip = f"the gradient's length is limited to {most}" if optimizer.grad_clip else "the gradient is not clipped"
    return (
        f"learning rate {rate} (--learning_rate), weight decay {decay}, beta1 {beta1}, beta2 {beta2}, epsilon "
        f"{epsilon}; {clip}."
    )


def read_optimizer(text: str) -> Optimizer | None:
    """Return the numbers of the update, or None if the page has no update."""
    match = re.search(
        rf"learning rate ({NUMBER}) \(--learning_rate\), weight decay ({NUMBER}), beta1 ({NUMBER}), beta2 ({NUMBER}), "
        rf"epsilon ({NUMBER}); the gradient(?:'s length is limited to ({NUMBER})\.| is not clipped\.)",
        text,
    )
    return Optimizer(*map(Decimal, match.groups("0"))) if match else None


def tokens_title() -> str:
    """Return the heading of the table of tokens."""
    return f"{_TOKENS}the text split into vocabulary entries (␣: a space); the id is the entry's position"


def is_tokens_title(line: str) -> bool:
    """Return whether a line, of text or Markdown, is that heading."""
    return line.lstrip("# ").startswith(_TOKENS)


def write_tokens(tokens: Sequence[tuple[str, int]], targets: Sequence[tuple[str, int]]) -> list[list[str]]:
    """Return the table of tokens, header first: position, word and id; with ``targets`` also the next one."""
    header = ["t", "word", "id"] + ["next word", "id"] * bool(targets)
    width = max(len(str(token)) for _, token in (*tokens, *targets))
    rows = [[str(t), word, f"{token:>{width}}"] for t, (word, token) in enumerate(tokens)]
    for row, (word, token) in zip(rows, targets, strict=False):
        row += [word, f"{token:>{width}}"]
    return [header, *rows]


def read_tokens(rows: Iterable[Sequence[str]]) -> tuple[list[int], list[int]]:
    """Return the ids of the words and of the next words; rows before and after those of the table are skipped."""
    tokens, targets = list[int](), list[int]()
    for row in rows:
        position, _, *ids = [*row, "", ""][:5]
        if position.isdecimal() and ids[0].isdecimal():
            tokens.append(int(ids[0]))
            targets += [int(ids[2])] if len(ids) > 2 and ids[2].isdecimal() else []
        elif tokens:
            break
    return tokens, targets


def write_short_tokens(tokens: Sequence[tuple[str, int]], targets: Sequence[tuple[str, int]]) -> str:
    """Return the tokens, and the next ones, as words that are each followed by their ids."""
    parts = [" ".join(f"{word}={token}" for word, token in some) for some in (tokens, targets)]
    return f"{_SHORT_TOKENS}{parts[0]}" + f"{_SHORT_TARGETS}{parts[1]}" * bool(targets)


def read_short_tokens(text: str) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the words and ids of the tokens and of the next ones, both empty if the page has a table of them."""
    pair = r"[^ ]{1,1000}=[0-9]{1,9}"
    match = re.search(rf"{re.escape(_SHORT_TOKENS)}({pair}(?: {pair})*)(?:{_SHORT_TARGETS}({pair}(?: {pair})*))?", text)
    found: list[list[tuple[str, int]]] = [[], []]
    for place, group in enumerate(match.groups("") if match else ()):
        for one in group.split():
            word, _, token = one.rpartition("=")
            found[place].append((word, int(token)))
    return found[0], found[1]


def step_heading(number: int, name: str) -> str:
    """Return the heading of a step's section."""
    return f"{number}. {name}"


def update_heading(first: int, last: int, parameter: str) -> str:
    """Return the heading of the section of all steps of AdamW for one parameter."""
    return f"{first} to {last}. From the gradient of {parameter} to its new value"


def read_update_heading(line: str) -> str | None:
    """Return the parameter in such a heading, or None if the line is something else."""
    match = re.fullmatch(rf"(?:#+ )?[0-9]+ to [0-9]+\. From the gradient of ({NAME}) to its new value", line)
    return match and match[1]


def read_step_heading(line: str) -> str | None:
    """Return the name of the step in a heading, of text or Markdown, or None if the line is something else."""
    match = re.fullmatch(rf"(?:#+ )?[0-9]+\. ({NAME})", line)
    return match and match[1]


class TableTitle(NamedTuple):
    """The title of a table in a step's section: of the ``weights`` that it uses, of one ``head``, or neither."""

    text: str
    weights: str | None
    head: int | None


def head_title(head: int) -> str:
    """Return the title of the table of one head."""
    return f"head {head}"


def weights_title(name: str, shape: Sequence[int], columns: str) -> str:
    """Return the title of the table of a parameter; ``columns`` says which of its columns, if not all."""
    return f"uses {name} ({' × '.join(map(str, shape))}){columns}"


def read_table_title(line: str) -> TableTitle | None:
    """Return the title of a table, or None if the line is something else."""
    match = re.fullmatch(rf"uses (\S+) \(.*|head ([0-9]+)|{RESULT}|{CHANGES}|{STAGES}", line.strip())
    return match and TableTitle(match[0], match[1], None if match[2] is None else int(match[2]))
