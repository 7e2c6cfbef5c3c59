"""What a checker says about a port into which a mistake was planted, and whether it is right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.check.checking import check
from numpy_gpt.golden.graph import Graph
from parity_tests.golden.causes import CAUSES
from parity_tests.golden.dumps import dump
from parity_tests.golden.jobs import job_for, pack_of
from parity_tests.golden.port.bug import Bug
from parity_tests.golden.port.run import Arrays, run

VERDICTS = {
    "A": "named alone",
    "S": "named among several",
    "+": "named, and more located",
    "w": "named, and a wrong cause",
    "L": "located",
    "l": "found elsewhere",
    "W": "wrong cause",
    "M": "missed",
    "!": "crashed",
    ".": "cannot be seen",
}
"""The marks of the table. ``located`` is the first array that is wrong, without a cause."""

LEAST = {"float32": 1e-6, "float64": 1e-14}
"""A mistake that changes no dumped array by more, relative to its largest entry, cannot be seen; nor can one that
changes none by ten times as much as rounding changes it in the right port."""


class Case(NamedTuple):
    """One run: which mistakes, at which scale of weights, in which dtype, and what is dumped."""

    bugs: tuple[Bug, ...]
    scale: str
    dtype: str
    dump: str

    @property
    def bug(self) -> Bug:
        """The first of the bugs."""
        return self.bugs[0]


class Judgement(NamedTuple):
    """The mark, what was found as ``tensor: causes``, and the first array that is wrong in the dump."""

    mark: str
    found: tuple[str, ...]
    first: str


def judge(case: Case) -> Judgement:
    """Plant one bug, dump, check, and compare what is found with what was planted."""
    first, findings = _findings(case)
    if first == "":
        return Judgement(".", _lines(findings), first)
    if findings is None:
        return Judgement("!", (), first)
    return Judgement(_mark(case.bug, first, findings), _lines(findings), first)


def judge_pair(case: Case) -> tuple[bool, tuple[str, ...]]:
    """Return whether each of two planted bugs is a cause that was found, and nothing else; and what was found."""
    findings = _findings(case)[1] or []
    named = [{id for id in ids(finding)} for finding in findings]
    both = all(any(_is_cause(bug, causes) for causes in named) for bug in case.bugs)
    return both, _lines(findings)


def check_right(arrays: Arrays, pack: Any, dtype: str) -> tuple[str, ...]:
    """Return what the checker accuses a right port of."""
    try:
        return _lines(check(pack, arrays, dtype, tell_limits=False).as_json()["findings"])
    except Exception as error:
        return (f"crashed: {error!r}",)


def _mark(bug: Bug, first: str, findings: list[Any]) -> str:
    if not findings:
        return "M"
    named = [ids(finding) for finding in findings]
    right = [_is_cause(bug, causes) for causes in named]
    if not any(right):
        if any(named):
            return "W"
        return "L" if any(_full_name(finding) == first for finding in findings) else "l"
    if any(causes and not hit for causes, hit in zip(named, right, strict=True)):
        return "w"
    if not all(named):
        return "+"
    return "A" if all(all(_is_cause(bug, {id}) for id in causes) for causes in named) else "S"


def ids(finding: Mapping[str, Any]) -> set[str]:
    """Return the ids of a finding's causes."""
    return {cause["id"] for cause in finding["causes"]}


def _is_cause(bug: Bug, found: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, id) for pattern in causes_of(bug) for id in found)


def causes_of(bug: Bug) -> tuple[str, ...]:
    """Return the causes that are right: those of the bug, or of bugs with the same switch in other places."""
    base = re.split("[:@]", bug.id)[0]
    return CAUSES.get(bug.id) or sum((right for id, right in CAUSES.items() if re.split("[:@]", id)[0] == base), ())


def _full_name(finding: Mapping[str, Any]) -> str:
    name, step = finding["tensor"], finding["step"]
    return name if step == 1 or name.startswith("step") else f"step{step}.{name}"


def _lines(findings: list[Any] | None) -> tuple[str, ...]:
    return tuple(f"{_full_name(f)}: {', '.join(sorted(ids(f))) or 'no cause'}" for f in findings or [])


def _findings(case: Case) -> tuple[str, list[Any] | None]:
    needs, scale, dtype = case.bug.needs, case.scale, case.dtype
    switches = tuple(switch for bug in case.bugs for switch in bug.switches)
    accumulate = 2 if needs == "micro-batches" else 1
    wrong = dump(run(job_for(scale, case.bug), *switches, dtype=dtype, accumulate=accumulate), case.dump, _config(case))
    first = _first(case, _right(scale, dtype, needs), wrong)
    try:
        return first, check(pack_for(scale, needs), wrong, dtype, tell_limits=False).as_json()["findings"]
    except Exception as error:
        print(f"{case.bug.id} {scale} {dtype} {case.dump}: {error!r}")
        return first, None


def _first(case: Case, right: Arrays, wrong: Arrays) -> str:
    """Return the first array, in the order of computation, that differs; empty if none does."""
    for name, node in _graph(case.scale, case.bug.needs).nodes.items():
        if name not in wrong or name not in right or _is_amplified(name):
            continue
        a, b, exact = right[name], wrong[name], _right(case.scale, "float64", case.bug.needs)[name]
        if node.skip == "future":
            past = np.tril(np.ones(a.shape[-2:], bool))
            a, b, exact = a[..., past], b[..., past], exact[..., past]
        least = max(
            LEAST[case.dtype] * np.abs(np.where(np.isfinite(a), a, 0)).max(initial=0), 3 * _largest_off(a, exact)
        )
        if not _largest_off(a, b) <= least:
            return name
    return ""


def _largest_off(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.abs(np.where(a == b, 0, a - b)).max(initial=0))


def _is_amplified(name: str) -> bool:
    """Return whether an array shows rounding: the key bias has a gradient of 0, which AdamW divides by its own size."""
    return name.endswith("attn.c_attn.bias") and "updated." in name


def _config(case: Case) -> Any:
    return job_for(case.scale, case.bug).config


@lru_cache(maxsize=64)
def _right(scale: str, dtype: str, needs: str) -> Arrays:
    bug = Bug("", "", "", "", needs)
    return run(job_for(scale, bug), dtype=dtype, accumulate=2 if needs == "micro-batches" else 1)


@lru_cache(maxsize=64)
def pack_for(scale: str, needs: str) -> Any:
    """Return the pack of a job."""
    return pack_of(job_for(scale, Bug("", "", "", "", needs)))


@lru_cache(maxsize=64)
def _graph(scale: str, needs: str) -> Graph:
    job = job_for(scale, Bug("", "", "", "", needs))
    return Graph(job.config, job.tokens.shape[1], job.tokens.shape[2], job.steps)
