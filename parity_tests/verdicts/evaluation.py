"""A case and its result in each implementation, as text: the three texts are equal, or there is a reason."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from parity_tests.verdicts.implementations import IMPLEMENTATIONS, Implementation
from parity_tests.verdicts.reasons import REASONS

DTYPES = ("float64", "float32")
ANY_DTYPE = ""
Run = Callable[[Implementation, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """One input, and a function that passes it to an implementation in a dtype and returns the results by label.

    ``reasons`` names entries of ``reasons.REASONS`` where the implementations differ. Numbers whose digits depend on
    the machine are not printed: those below ``negligible`` are noise, and ``fused_within`` says, for a label, by how
    much torch's fused operation may be off.
    """

    given: str
    run: Run
    reasons: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    negligible: float = 0.0
    fused_within: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """Cases that belong together, under a heading and a short introduction."""

    title: str
    introduction: str
    cases: tuple[Case, ...]


class Verdict(NamedTuple):
    """The results of a case in one dtype, or in both, as text in the order of ``IMPLEMENTATIONS``."""

    dtype: str
    texts: tuple[str, ...]

    @property
    def agreed(self) -> bool:
        """Whether all do the same."""
        return len(set(self.texts)) == 1


def verdicts(case: Case) -> list[Verdict]:
    """Return the case's verdict for each dtype, or the one verdict that holds for both."""
    found = [Verdict(dtype, _texts(case, dtype)) for dtype in case.dtypes]
    if len(found) == len(DTYPES) and len({verdict.texts for verdict in found}) == 1:
        return [Verdict(ANY_DTYPE, found[0].texts)]
    return found


def problem(case: Case) -> str:
    """Return the problem, a difference without a reason or a reason without a difference; otherwise nothing."""
    differing = [verdict for verdict in verdicts(case) if not verdict.agreed]
    fused_alone = all(REASONS[key].fused_only for key in case.reasons)
    for dtype, texts in differing:
        if not case.reasons or (fused_alone and texts[0] != texts[1]):
            lines = [f"{twin.name}: {text}" for twin, text in zip(IMPLEMENTATIONS, texts, strict=True)]
            return "\n    ".join([f"{case.given} {dtype}: the implementations differ, and no reason is given", *lines])
    if case.reasons and not differing:
        return f"{case.given}: a reason is given ({', '.join(case.reasons)}), but there is no difference any more"
    return ""


def text_of(value: Any, negligible: float = 0.0) -> str:
    """Return an array's entries with three significant digits; if all of several are equal, one of them.

    The sign of a zero is not part of a verdict: it may differ between machines.
    """
    if isinstance(value, str):
        return value
    entries = [_number(entry, negligible) for entry in np.asarray(value).ravel()]
    if len(entries) > 2 and len(set(entries)) == 1:
        return f"all {entries[0]}"
    return ", ".join(entries) or "empty"


def near(values: Any, expected: float, within: float) -> str:
    """Return "expected ± within" where that holds: for a number whose digits depend on the machine."""
    close = (np.abs(np.asarray(values, np.float64) - expected) <= within).all()
    return f"{_number(expected)} ± {_number(within)}" if close else text_of(values)


def _texts(case: Case, dtype: str) -> tuple[str, ...]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = [_results(case, implementation, dtype) for implementation in IMPLEMENTATIONS]
    reference, fused = found[0], found[-1]
    if not isinstance(reference, str) and not isinstance(fused, str):
        found[-1] = {label: _unless_close(case, label, value, reference[label]) for label, value in fused.items()}
    return tuple(result if isinstance(result, str) else _join_results(result, case.negligible) for result in found)


def _results(case: Case, implementation: Implementation, dtype: str) -> Mapping[str, Any] | str:
    try:
        return case.run(implementation, dtype)
    except UserError as error:
        return f"error: `{error}`"
    except Exception as error:  # not a message of ours: the text is NumPy's or torch's, and changes
        return f"**{type(error).__name__}**"


def _unless_close(case: Case, label: str, value: Any, reference: Any) -> Any:
    if label not in case.fused_within:
        return value
    within = case.fused_within[label]
    close = (np.abs(np.asarray(value, np.float64) - np.asarray(reference, np.float64)) <= within).all()
    return f"as numpy_gpt ± {_number(within)}" if close else value


def _join_results(results: Mapping[str, Any], negligible: float) -> str:
    return "<br>".join(f"{label}: {text_of(value, negligible)}" for label, value in results.items())


def _number(entry: Any, negligible: float = 0.0) -> str:
    if isinstance(entry, int | np.integer | np.bool_):
        return str(entry)
    value = float(entry)
    if math.isnan(value):
        return "NaN"
    if abs(value) < negligible:
        return "≈ 0"
    return "0" if value == 0 else re.sub(r"e([+-])0*", lambda sign: "e" + sign[1].strip("+"), f"{value:.3g}")
