"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import Mistake


@dataclass
class Finding:
    """An array that does not follow, or several with one cause.

    ``off`` and ``allowed`` are those of the number that is farthest off in units of what is allowed, ``times`` that
    quotient; ``residual`` is the same quotient with the cause taken into account; ``also`` are other arrays that the
    cause explains, or without a cause the same array in other places; ``nearest`` is a mistake that explains the error
    in part.
    """

    tensor: str
    step: int
    off: float
    allowed: float
    times: float
    where: str
    causes: list[Mistake] = field(default_factory=list)
    nearest: Mistake | None = None
    nearest_cut: float = 1.0
    also: list[str] = field(default_factory=list)
    residual: float = 0.0
    scope: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "tensor": self.tensor,
            "step": self.step,
            "off": _number(self.off),
            "allowed": _number(self.allowed),
            "times_allowed": _number(self.times),
            "causes": [_cause(mistake) for mistake in self.causes],
            "nearest": None if self.nearest is None else {**_cause(self.nearest), "cuts_error_by": self.nearest_cut},
            "where": self.where,
            "scope": self.scope,
            "also": self.also,
            "residual": _number(self.residual),
        }


@dataclass
class Findings:
    """The result of a check.

    ``following`` are the arrays that follow, ``doubtful`` those that depend on unexplained ones; ``cannot_tell`` are
    mistakes that would change the arrays by less than is allowed, ``unseen`` those that no array depends on.
    """

    findings: list[Finding]
    following: list[str]
    doubtful: list[str]
    not_compared: list[str]
    cannot_tell: list[Mistake]
    unseen: list[Mistake]
    dtype: str
    steps: int
    notes: list[str] = field(default_factory=list)

    @property
    def follows(self) -> bool:
        """Whether every array of the port follows from its earlier ones."""
        return not self.findings

    @property
    def compared(self) -> int:
        """The number of arrays that were compared."""
        found = {name for finding in self.findings for name in (finding.tensor, *finding.also)}
        return len(found.union(self.following, self.doubtful))

    @property
    def status(self) -> int:
        """The exit status: 0 follows, 1 does not."""
        return 0 if self.follows else 1

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "follows": self.follows,
            "dtype": self.dtype,
            "findings": [finding.as_json() for finding in self.findings],
            "compared": self.compared,
            "following": self.following,
            "doubtful": self.doubtful,
            "not_compared": self.not_compared,
            "cannot_tell": [_cause(mistake) for mistake in self.cannot_tell],
            "not_looked_for": [_cause(mistake) for mistake in self.unseen],
            "notes": self.notes,
        }


def _cause(mistake: Mistake) -> dict[str, str]:
    return {"id": mistake.id, "sentence": mistake.sentence, "equation": mistake.equation}


def _number(value: float) -> float | str:
    return float(value) if np.isfinite(value) else str(value)
