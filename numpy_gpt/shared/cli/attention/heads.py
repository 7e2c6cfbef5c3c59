"""``heads``: what each attention head looks at in a held-out text, measured, with controls and intervals."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import count_of, describe, quote
from numpy_gpt.shared.attention.bootstrap import LEVEL
from numpy_gpt.shared.attention.relations import relation_targets
from numpy_gpt.shared.attention.roles import FEWEST_WINDOWS, MARGIN, Control, Finding, Head, find_roles, role_sentence
from numpy_gpt.shared.attention.shares import sum_attention
from numpy_gpt.shared.attention.targets import TARGETS
from numpy_gpt.shared.attention.windows import spread, windows_of
from numpy_gpt.shared.cli.choices import add_source_flag
from numpy_gpt.shared.cli.evaluate import recipe_and_corpus
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import print_record, read_options, whole_number
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tables import Column, table_lines
from numpy_gpt.shared.model.config_checks import check_place, require_attention

SCHEMA_VERSION = 1
_WINDOWS = 2000
_WIDTH = 80
_OTHERS = "- or another"


class HeadsOptions(NamedTuple):
    """The flags of ``heads``."""

    model: ModelChoice
    dataset: str | None
    source: Path | None
    windows: int
    layer: int | None
    head: int | None
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``heads``."""
    add = parser.add_argument
    add_model_flags(parser)
    what = "a text other than the one the model was trained on, with the same vocabulary"
    add("--dataset", metavar="NAME", help=what)
    add_source_flag(parser)
    what = f"measure at most N windows of block_size tokens, or sentences of `grammar` (default: {_WINDOWS:,})"
    add("--windows", type=whole_number, metavar="N", default=_WINDOWS, help=what)
    add("--layer", type=whole_number, metavar="N", help="show only the heads of this layer, counted from 0")
    add("--head", type=whole_number, metavar="N", help="show only this head of each layer, counted from 0")
    add("--json", action="store_true", help="print one JSON record instead of the tables")
    set_command(parser, program, _read_options, heads)


def _read_options(arguments: argparse.Namespace) -> HeadsOptions:
    return read_options(HeadsOptions, arguments, model=read_model_choice(arguments))


HEADS = Command(
    "heads",
    "measure what each attention head looks at",
    _add_flags,
    ("heads", "heads runs/tiny --checkpoint best --windows 40 --layer 0 --json"),
    "A token sees itself and the tokens before it. So the relations of `grammar` lead backwards: from a noun to its\n"
    "article, never from an article to its noun, which has not been read yet.\n",
)


def heads(options: HeadsOptions, backend: Backend) -> int:
    """Measure, print what each head does, and return the exit status."""
    if options.windows < FEWEST_WINDOWS:
        raise UserError(f"--windows must be at least {FEWEST_WINDOWS}, not {describe(options.windows)}")
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
    windows = spread(every, options.windows)
    targets = (*TARGETS, *relation_targets(model.tokenizer))
    engine = backend.make_engine(recipe, initial_state_of(model))
    roles = find_roles(sum_attention(engine, windows, model.tokenizer, targets), targets, config.n_head)
    chosen = [head for head in roles.heads if options.layer in (None, head.layer) and options.head in (None, head.head)]
    if options.json:
        of_text = {"step": model.step, "corpus": corpus.name, "unit": unit, "windows": len(windows)}
        of_roles = {"level": LEVEL, "margin": MARGIN, "tests": roles.tests}
        records = [_head_record(head) for head in chosen]
        print_record({"schema_version": SCHEMA_VERSION, **of_text, **of_roles, "heads": records})
        return 0
    amount = count_of(len(windows), unit) + f" of {len(every):,}, evenly spread," * (len(windows) < len(every))
    title = f"attention after {count_of(model.step, 'step')}, over {amount} of the validation text of"
    print(_fill(f"{title} {quote(corpus.name)}"))
    for head in chosen:
        print(f"\n{_heading(head)}\n")
        print("\n".join(_table(head)))
    print(f"\n{_explanation(unit, roles.tests)}")
    return 0


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _heading(head: Head) -> str:
    return _fill(f"layer {head.layer}, head {head.head}: {role_sentence(head)}", indent="    ")


def _table(head: Head) -> list[str]:
    columns = [
        Column("target", "left"),
        *(Column(title) for title in ("share", "even", "difference", "position", "difference", "queries")),
    ]
    return table_lines(columns, [row for finding in head.findings for row in _rows(finding)])


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
    return _fill(
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
