"""The report of a check: one screen of sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpt_data.terminal import join_lines, wrap_prose
from gpt_data.wording import count_of
from numpy_gpt.golden.check.findings import Finding, Findings
from numpy_gpt.golden.operations.operation import Mistake

_UPDATE = ("m.", "v.", "updated.")
_MOST_FINDINGS, _MOST_NAMES, _MOST_LIMITS = 8, 4, 6


def report(findings: Findings) -> str:
    """Return the findings as text for the terminal, without a newline at the end."""
    paragraphs = [_first(findings)]
    for number, finding in enumerate(findings.findings[:_MOST_FINDINGS]):
        paragraphs.append(_finding(finding, number))
    rest = len(findings.findings) - _MOST_FINDINGS
    if rest > 0:
        paragraphs.append(f"{count_of(rest, 'more independent error')}: --json lists all of them.")
    paragraphs += _last(findings)
    blocks = [wrap_prose(paragraph) for paragraph in paragraphs if paragraph]
    return join_lines([line for block in blocks for line in (*block, "")]).rstrip("\n")


def _first(findings: Findings) -> str:
    compared = count_of(findings.compared, "array")
    if findings.follows:
        return f"It follows: each of {compared} follows from your own earlier ones, in {findings.dtype}."
    count = len(findings.findings)
    number = "one error" if count == 1 else f"{count} independent errors"
    return f"It does not follow: {number} in {compared}, computed in {findings.dtype}."


def _finding(finding: Finding, number: int) -> str:
    first = "is the first that does not follow" if number == 0 else "does not follow"
    off = f"off by {_short(finding.off)}, allowed {_short(finding.allowed)}"
    where = f" {finding.where[0].upper()}{finding.where[1:]}." if finding.where else ""
    return f"{finding.tensor} {first} from your own arrays: {off}.{where} {_cause(finding)}"


def _cause(finding: Finding) -> str:
    if not finding.causes:
        nearest = ""
        if finding.nearest is not None:
            cut = f"{finding.nearest_cut:.2g}" if finding.nearest_cut < 1e4 else "a lot, but not within what is allowed"
            nearest = f" The nearest, which divides the largest error by {cut}: {_named(finding.nearest)}."
        also = f" The same array is wrong in {count_of(len(finding.also), 'more place')}." if finding.also else ""
        return f"No known mistake explains it.{nearest}{also}"
    named = " Or: ".join(f"{_named(mistake)}." for mistake in finding.causes)
    word = "Cause" if len(finding.causes) == 1 else "These causes fit equally"
    also = f", and explains {count_of(len(finding.also), 'more array')}" if finding.also else ""
    return f"{word}: {named} It reproduces the array to {finding.residual:.2g} of what is allowed{also}."


def _named(mistake: Mistake) -> str:
    return f"{mistake.sentence} ({mistake.equation})"


def _last(findings: Findings) -> list[str]:
    lines = []
    if findings.doubtful:
        names = _listed(findings.doubtful)
        lines.append(f"Not judged, because they depend on what is unexplained: {names}.")
    elif findings.findings and findings.following:
        lines.append("Everything else follows.")
    if findings.not_compared:
        lines.append(f"Not compared, because you have none of them: {_listed(findings.not_compared)}.")
    if findings.cannot_tell:
        lines.append(f"These arrays cannot tell whether {_limits(findings.cannot_tell)}.")
    if findings.unseen:
        lines.append(f"Not looked for, because no array shows it: {_limits(findings.unseen)}.")
    if findings.steps == 1 and any(name.startswith(_UPDATE) for name in findings.following):
        lines.append("One step cannot tell how moments, rates and bias corrections change: use --steps 3.")
    return [*lines, *findings.notes]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _limits(mistakes: Sequence[Mistake]) -> str:
    rest = len(mistakes) - _MOST_LIMITS
    listed = "; ".join(mistake.sentence for mistake in mistakes[:_MOST_LIMITS])
    return listed + (f"; and {rest} more (--json)" if rest > 0 else "")


def _short(number: float) -> str:
    return f"{number:.2g}" if math.isfinite(number) else str(number)
