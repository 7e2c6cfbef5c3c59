"""``python -m parity_tests.verdicts`` writes docs/verdicts.md: what each implementation does with each odd input."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import torch

from parity_tests.verdicts import (
    attention,
    dropout,
    ids,
    numeric,
    optimizer,
    sampling,
    shapes,
    surroundings,
    whole_model,
)
from parity_tests.verdicts.evaluation import Case, Section, Verdict, problem, verdicts
from parity_tests.verdicts.implementations import IMPLEMENTATIONS
from parity_tests.verdicts.reasons import REASONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "verdicts.md"
COMMAND = "python -m parity_tests.verdicts"
GROUPS = (numeric, attention, whole_model, shapes, ids, dropout, sampling, optimizer, surroundings)
SECTIONS: tuple[Section, ...] = tuple(section for group in GROUPS for section in group.SECTIONS)
CASES: tuple[Case, ...] = tuple(case for section in SECTIONS for case in section.cases)

_OPENING = """# Verdicts: what happens to every odd input

Every extreme number, odd shape and wrong argument has one verdict: a value, NaN, inf or an error. The tables are
computed by `{command}`; a test fails if they are out of date, or if the implementations differ
without a reason. Currently {agreed} of {rows} rows are the same in all three.

**How to read it.** `numpy_gpt` is the reference, with gradients by hand; `torch_gpt` is the twin's written-out path,
with gradients by autograd; *fused* is its path on torch's own fused operations, on the CPU. *same* means the same as
numpy_gpt. Where they differ, the last column names a [reason](#reasons).

- `out` is what a layer returns, `dx` the gradient of its input x, for the upstream gradient that the section names.
- Values have three significant digits; *all 0* means that every entry is 0. The sign of a zero is omitted.
- *≈ 0* is zero or rounding noise. *as numpy_gpt ± 0.2* is a value whose digits depend on the machine.
- A row applies to both float64 and float32 unless it names one of them.
- *error:* is a `UserError` with its message. A name in bold, such as **IndexError**, is an exception from NumPy, torch
  or Python, without a message of ours.
"""

_REASONS = """## Reasons

A *deliberate* difference stays as it is; one *to be removed* is a known fault.
"""


def render() -> str:
    """Return the document."""
    found = [verdict for case in CASES for verdict in verdicts(case)]
    agreed = sum(verdict.agreed for verdict in found)
    opening = _OPENING.format(command=COMMAND, agreed=agreed, rows=len(found))
    return "\n".join([opening, *map(_table, SECTIONS), _REASONS, *_reasons()])


def problems() -> list[str]:
    """Return every difference that has no reason, and every reason that has no difference."""
    return [text for text in map(problem, CASES) if text]


def main() -> int:
    """Write the document; return 1 if a difference has no reason."""
    torch.set_num_threads(1)
    found = problems()
    for text in found:
        print(text, file=sys.stderr)
    DOCUMENT.write_text(render(), encoding="utf-8")
    print(f"{DOCUMENT.relative_to(DOCUMENT.parents[2])}: {len(CASES)} cases, {len(found)} problems")
    return 1 if found else 0


def _table(section: Section) -> str:
    names = " | ".join(twin.name for twin in IMPLEMENTATIONS)
    rows = [_row(case, verdict) for case in section.cases for verdict in verdicts(case)]
    head = [f"| input | {names} | why |", "|---|---|---|---|---|"]
    return "\n".join([f"## {section.title}", "", _wrap(section.introduction), "", *head, *rows, ""])


def _row(case: Case, verdict: Verdict) -> str:
    given = f"{case.given}, *{verdict.dtype}*" if verdict.dtype else case.given
    first, *others = verdict.texts
    why = "" if verdict.agreed else " ".join(f"[{_number_of(key)}](#reason-{_number_of(key)})" for key in case.reasons)
    return "| " + " | ".join([given, first, *("same" if text == first else text for text in others), why]) + " |"


def _number_of(key: str) -> int:
    return list(REASONS).index(key) + 1


def _reasons() -> Iterator[str]:
    for key, reason in REASONS.items():
        yield f"### Reason {_number_of(key)}\n"
        kind = "Deliberate." if reason.deliberate else "To be removed."
        yield _wrap(f"**{reason.title}.** {kind} {reason.text}") + "\n"


def _wrap(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
