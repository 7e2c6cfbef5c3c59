"""``heads``: what each attention head looks at in a held-out text, and whether it matters, measured with controls."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.terminal import Style, join_lines, page_style, show
from gpt_data.texts.corpora import Corpus
from gpt_data.wording import count_of, describe, quote
from numpy_gpt.shared.attention.ablation import Part, Replacement, parts_of
from numpy_gpt.shared.attention.bootstrap import LEVEL
from numpy_gpt.shared.attention.importance import Importance, measure_importance
from numpy_gpt.shared.attention.relations import relation_targets
from numpy_gpt.shared.attention.roles import (
    FEWEST_WINDOWS,
    MARGIN,
    Control,
    Finding,
    Head,
    Roles,
    find_roles,
    role_sentence,
)
from numpy_gpt.shared.attention.shares import sum_attention
from numpy_gpt.shared.attention.targets import TARGETS
from numpy_gpt.shared.attention.windows import spread, windows_of
from numpy_gpt.shared.cli.attention.importance import (
    IMPORTANCE_EXPLANATION,
    importance_paragraphs,
    importance_records,
    importance_tables,
)
from numpy_gpt.shared.cli.choices import add_source_flag
from numpy_gpt.shared.cli.evaluate import recipe_and_corpus
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import add_pager_flag, print_record, read_options, whole_number
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.model.config_checks import check_place, require_attention
from numpy_gpt.shared.runs.run_state import steps_taken

SCHEMA_VERSION = 1
_WINDOWS, _ABLATED_WINDOWS = 2000, 500  # an ablation reads the text again for each part
_WIDTH = 80
_OTHERS = "- or another"


class HeadsOptions(NamedTuple):
    """The flags of ``heads``."""

    model: ModelChoice
    dataset: str | None
    source: Path | None
    windows: int | None
    ablate: Replacement | None
    layer: int | None
    head: int | None
    json: bool
    no_pager: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``heads``."""
    add = parser.add_argument
    add_model_flags(parser)
    what = "a text other than the one the model was trained on, whose tokens it knows"
    add("--dataset", metavar="NAME", help=what)
    add_source_flag(parser)
    what = "measure at most N windows of block_size tokens, or sentences of `grammar` (default: "
    amount = f"{_WINDOWS:,}; with --ablate {_ABLATED_WINDOWS:,})"
    add("--windows", type=whole_number, metavar="N", help=what + amount)
    what = "also measure how much the loss rises without each head, attention layer and MLP: each is replaced by its "
    options: dict[str, Any] = {"nargs": "?", "const": "mean", "choices": ("mean", "zero")}
    add("--ablate", **options, help=f"{what}mean over the text, or by zero")
    add("--layer", type=whole_number, metavar="N", help="show only the heads of this layer, counted from 0")
    add("--head", type=whole_number, metavar="N", help="show only this head of each layer, counted from 0")
    add("--json", action="store_true", help="print one JSON record instead of the tables")
    add_pager_flag(parser)
    set_command(parser, program, _read_options, heads)


def _read_options(arguments: argparse.Namespace) -> HeadsOptions:
    return read_options(HeadsOptions, arguments, model=read_model_choice(arguments))


HEADS = Command(
    "heads",
    "measure what each attention head looks at",
    _add_flags,
    ("heads", "heads runs/tiny --checkpoint best --windows 40 --layer 0 --json", "heads --ablate --head 1"),
    "A token sees itself and the tokens before it. So the relations of `grammar` lead backwards: from a noun to its\n"
    "article, never from an article to its noun, which has not been read yet.\n",
)


def heads(options: HeadsOptions, backend: Backend) -> int:
    """Measure, print what each head does, and return the exit status."""
    count = options.windows
    if count is None:
        count = _WINDOWS if options.ablate is None else _ABLATED_WINDOWS
    if count < FEWEST_WINDOWS:
        raise UserError(f"--windows must be at least {FEWEST_WINDOWS}, not {describe(count)}")
    model = load_model(*options.model)
    config = require_attention(model.config)
    check_place("layer", options.layer, config.n_layer)
    check_place("head", options.head, config.n_head, "each layer")
    recipe, corpus = recipe_and_corpus(model, options.dataset, options.source)
    unit, every = windows_of(corpus.val, config.block_size, model.tokenizer)
    if len(every) < FEWEST_WINDOWS:
        raise UserError(
            f"an interval needs at least {count_of(FEWEST_WINDOWS, unit)}, and the validation text of "
            f"{quote(corpus.name)} has {len(every)}; give a longer text with --dataset"
        )
    windows = spread(every, count)
    targets = (*TARGETS, *relation_targets(model.tokenizer))
    engine = backend.make_engine(recipe, initial_state_of(model))
    roles = find_roles(sum_attention(engine, windows, model.tokenizer, targets), targets, config.n_head)
    found = list[Importance]()
    if options.ablate is not None:
        parts = [part for part in parts_of(config) if _is_chosen(part, options)]
        found = measure_importance(engine, windows, model.tokenizer, options.ablate, parts)
    chosen = [head for head in roles.heads if _is_chosen(head, options)]
    if options.json:
        of_text = {"step": model.step, "corpus": corpus.name, "unit": unit, "windows": len(windows)}
        of_roles = {"level": LEVEL, "margin": MARGIN, "tests": roles.tests}
        records = {"heads": [_head_record(head) for head in chosen]}
        of_parts = {"replacement": options.ablate, "importance": importance_records(found)}
        print_record({"schema_version": SCHEMA_VERSION, **of_text, **of_roles, **records, **of_parts})
        return 0
    title = _title(corpus, model.step, len(windows), len(every), unit)
    blocks = _blocks(title, chosen, roles, found, options.ablate, unit, page_style())
    show((f"{block}\n" for block in blocks), paged=not options.no_pager)
    return 0


def _is_chosen(place: Head | Part, options: HeadsOptions) -> bool:
    return options.layer in (None, place.layer) and options.head in (None, place.head)


def _title(corpus: Corpus, step: int, count: int, every: int, unit: str) -> str:
    amount = count_of(count, unit) + f" of {every:,}, evenly spread," * (count < every)
    return f"attention{steps_taken(step)}, over {amount} of the validation text of {quote(corpus.name)}"


def _blocks(
    title: str,
    heads: Sequence[Head],
    roles: Roles,
    found: Sequence[Importance],
    replacement: Replacement | None,
    unit: str,
    style: Style,
) -> Iterator[str]:
    """Yield the report: first what was found, in a sentence each, then the tables that it rests on."""
    yield f"{_fill(title)}\n"
    yield join_lines(_fill(f"layer {head.layer}, head {head.head}: {role_sentence(head)}", "    ") for head in heads)
    if replacement is not None:
        first, *sentences = importance_paragraphs(found, replacement)
        yield f"{_fill(first)}\n"
        yield join_lines(_fill(sentence, "    ") for sentence in sentences)
    for head in heads:
        yield join_lines([style("heading", f"layer {head.layer}, head {head.head}"), "", *_table(head, style)])
    yield _fill(_explanation(unit, roles.tests))
    if replacement is not None:
        for lines in importance_tables(found, style):
            yield f"\n{join_lines(lines)}".removesuffix("\n")
        yield f"\n{_fill(IMPORTANCE_EXPLANATION)}"


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(head: Head, style: Style) -> list[str]:
    columns = [
        Column("target", "left"),
        *(Column(title) for title in ("share", "even", "difference", "position", "difference", "queries")),
    ]
    return table_lines(columns, [row for finding in head.findings for row in _rows(finding)], style)


def _rows(finding: Finding) -> list[list[str]]:
    """Return a row with two controls, and one with the third, if there is one, in the column of the first."""
    if finding.even is None:
        return [[finding.target.name, "-", "-", "-", "-", "-", "0"]]
    even, others = finding.even, finding.others
    rows = [[finding.target.name, f"{even.share:.3f}", *_cells(even), *_cells(finding.position), f"{even.queries:,}"]]
    if others is not None:
        rows.append([_OTHERS, f"{others.share:.3f}", *_cells(others), "-", "-", f"{others.queries:,}"])
    return rows


def _cells(control: Control | None) -> tuple[str, str]:
    if control is None:
        return "-", "-"
    ends = control.difference
    return f"{control.control:.3f}", "-" if ends is None else f"{ends[0]:+.3f}..{ends[1]:+.3f}"


def _explanation(unit: str, tests: int) -> str:
    return (
        "share: mean attention to the target, over the queries that have one. even: if attention were spread evenly "
        "over the past. position: if it depended on the place alone, by the head's mean attention at the same "
        f"distance; - if the target is a place. {_OTHERS}: the share over the queries that also have other tokens of "
        "the target's class before them, such as nouns that are not the subject, or spaces if a copy is a space; even: "
        f"if the attention to all of these were spread evenly. difference: share - control, {LEVEL:.0%} interval by "
        f"bootstrap over {unit}s, of which {FEWEST_WINDOWS} must have such queries. A role is a share that exceeds all "
        f"its controls by more than {MARGIN}, with {LEVEL:.0%} confidence for all {tests:,} differences of the model "
        "together."
    )


def _head_record(head: Head) -> dict[str, Any]:
    return {
        "layer": head.layer,
        "head": head.head,
        "sentence": role_sentence(head),
        "roles": [role.target.name for role in head.roles],
        "targets": [_finding_record(finding) for finding in head.findings],
    }


def _finding_record(finding: Finding) -> dict[str, Any]:
    controls = {name: control and control._asdict() for name, control in finding.controls.items()}
    return {"target": finding.target.name, "title": finding.target.title, **controls, "is_role": finding.is_role}
