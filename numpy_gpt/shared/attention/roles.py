"""What each head does, as far as a measurement shows it: a role is named only if all controls are certainly exceeded.

A target is a head's role if its share exceeds all its controls (``shares``) by more than ``MARGIN``: the lower ends of
the differences' confidence intervals do. A model has hundreds of such differences, and of intervals of 95 % each, some
would exceed by luck. So these intervals are wider than the printed ones (Bonferroni's): with 95 % confidence, all
differences of the model together exceed their lower ends. The margin is there because a difference can be certain and
mean nothing: a head with random weights may give the previous token 0.1236 of its attention instead of 0.1231.

A target that is a place itself (the previous token) has one control, the even spread; copies and relations have three.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from numpy_gpt.shared.attention.bootstrap import LEVEL, bootstrap
from numpy_gpt.shared.attention.shares import Sums, figures
from numpy_gpt.shared.attention.targets import Target

MARGIN = 0.1
FEWEST_WINDOWS = 20
"""With fewer windows that have the target, there is no interval."""


class Control(NamedTuple):
    """A share, what it would be without the role, and the 95 % interval of the difference; None if too few windows."""

    share: float
    control: float
    difference: tuple[float, float] | None
    queries: int


class Finding(NamedTuple):
    """A head and a target: its share next to each control, and whether it is a role.

    ``even`` is None if no query has the target, ``position`` also if its place is the target, and ``others`` also if
    no query has other keys of the target's class.
    """

    target: Target
    even: Control | None
    position: Control | None
    others: Control | None
    is_role: bool

    @property
    def share(self) -> float:
        """The mean attention to the target; 0 if no query has it."""
        return 0.0 if self.even is None else self.even.share

    @property
    def controls(self) -> dict[str, Control | None]:
        """The controls by name."""
        return {"even": self.even, "position": self.position, "others": self.others}


class Head(NamedTuple):
    """A head with a finding for each target."""

    layer: int
    head: int
    findings: tuple[Finding, ...]

    @property
    def roles(self) -> list[Finding]:
        """The findings that are roles, the largest share first."""
        roles = (finding for finding in self.findings if finding.is_role)
        return sorted(roles, key=lambda finding: -finding.share)


class Roles(NamedTuple):
    """All heads, layer by layer, and how many differences were tested together."""

    heads: list[Head]
    tests: int


def find_roles(sums: Sums, targets: Sequence[Target], n_head: int) -> Roles:
    """Return what each head does, from the sums of each window."""
    total = figures(Sums(*(part.sum(0) for part in sums)), targets)
    estimates = total.differences()  # (N, K, 3)
    with np.errstate(invalid="ignore"):  # NaN where there is no control
        interval = bootstrap(sums, lambda *parts: figures(Sums(*parts), targets).differences())
    counts = np.stack([sums.queries, sums.queries, sums.contested_queries], -1)  # (W, K, 3)
    is_tested = np.isfinite(estimates) & (np.count_nonzero(counts, axis=0) >= FEWEST_WINDOWS)
    tests = int(is_tested.sum())
    width = NormalDist().inv_cdf(1 - (1 - LEVEL) / max(1, tests))
    exceeds = is_tested & (estimates - width * interval.error > MARGIN)
    needed = [(True, target.place != "itself", target.others is not None) for target in targets]
    is_role = (exceeds | ~np.array(needed)).all(-1)

    def control(which: int, head: int, place: int) -> Control | None:
        at = head, place, which
        if not np.isfinite(estimates[at]):
            return None
        share = (total.contested if which == 2 else total.share)[head, place]
        ends = (float(interval.lower[at]), float(interval.upper[at])) if is_tested[at] else None
        return Control(float(share), float(share - estimates[at]), ends, int(counts[:, place, which].sum()))

    def finding(head: int, place: int) -> Finding:
        even, position, others = (control(which, head, place) for which in range(3))
        return Finding(targets[place], even, position, others, bool(is_role[head, place]))

    heads = [
        Head(*divmod(head, n_head), tuple(finding(head, place) for place in range(len(targets))))
        for head in range(len(total.share))
    ]
    return Roles(heads, tests)


def role_sentence(head: Head) -> str:
    """Return what the head does in one line, each role with its share and the larger control."""
    if not head.roles:
        return "no role found"
    return "; ".join(_role_text(role) for role in head.roles)


def _role_text(role: Finding) -> str:
    controls = [control.control for control in (role.even, role.position) if control is not None]
    return f"{role.target.title}: {role.share:.2f} of its attention (control: {max(controls):.2f})"
