"""What each head does, as far as a measurement shows it: a role is named only if both controls are certainly exceeded.

A target is a head's role if its share exceeds both controls (``shares``) by more than ``MARGIN``: the lower ends of the
differences' confidence intervals do. A model has hundreds of such differences, and of intervals of 95 % each, some
would exceed by luck. So these intervals are wider than the printed ones (Bonferroni's): with 95 % confidence, all
differences of the model together exceed their lower ends. The margin is there because a difference can be certain and
mean nothing: a head with random weights may give the previous token 0.1236 of its attention instead of 0.1231.

A target that is a place itself (the previous token) has one control, the even spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from numpy_gpt.shared.attention.bootstrap import LEVEL, bootstrap
from numpy_gpt.shared.attention.shares import Sums, figures
from numpy_gpt.shared.attention.targets import Target
from numpy_gpt.shared.model.arrays import Array

MARGIN = 0.1
FEWEST_WINDOWS = 20
"""With fewer windows that have the target, there is no interval."""


class Control(NamedTuple):
    """What the share would be without the role, and the 95 % interval of share − control; None if too few windows."""

    share: float
    difference: tuple[float, float] | None


class Finding(NamedTuple):
    """A head and a target: the share, its controls, and whether it is a role.

    ``share`` and the controls are None if no query has the target, ``position`` also if its place is the target.
    """

    target: Target
    queries: int
    share: float | None
    even: Control | None
    position: Control | None
    is_role: bool


class Head(NamedTuple):
    """A head with a finding for each target."""

    layer: int
    head: int
    findings: tuple[Finding, ...]

    @property
    def roles(self) -> list[Finding]:
        """The findings that are roles, the largest share first."""
        roles = (finding for finding in self.findings if finding.is_role)
        return sorted(roles, key=lambda finding: -(finding.share or 0.0))


class Roles(NamedTuple):
    """All heads, layer by layer, and how many differences were tested together."""

    heads: list[Head]
    tests: int


def find_roles(sums: Sums, targets: Sequence[Target], n_head: int) -> Roles:
    """Return what each head does, from the sums of each window."""
    total = figures(Sums(*(part.sum(0) for part in sums)), targets)

    def differences(*parts: Array) -> Array:
        found = figures(Sums(*parts), targets)
        return np.stack([found.share - found.even, found.share - found.position], -1)

    with np.errstate(invalid="ignore"):  # NaN where there is no figure
        interval = bootstrap(sums, differences)
    enough = np.count_nonzero(sums.queries, axis=0) >= FEWEST_WINDOWS
    estimates = np.stack([total.share - total.even, total.share - total.position], -1)  # (N, K, 2)
    is_tested = np.isfinite(estimates) & enough[:, None]
    tests = int(is_tested.sum())
    width = NormalDist().inv_cdf(1 - (1 - LEVEL) / max(1, tests))
    exceeds = np.isfinite(estimates) & (estimates - width * interval.error > MARGIN) | np.isnan(estimates)
    is_role = exceeds.all(-1) & is_tested.any(-1)

    def control(values: Array, which: int, head: int, place: int) -> Control | None:
        if np.isnan(values[head, place]):
            return None
        at = head, place, which
        ends = (float(interval.lower[at]), float(interval.upper[at])) if is_tested[at] else None
        return Control(float(values[head, place]), ends)

    def finding(head: int, place: int) -> Finding:
        even, position = control(total.even, 0, head, place), control(total.position, 1, head, place)
        share = None if even is None else float(total.share[head, place])
        queries = int(sums.queries[:, place].sum())
        return Finding(targets[place], queries, share, even, position, bool(is_role[head, place]))

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
    controls = [control.share for control in (role.even, role.position) if control is not None]
    return f"{role.target.title}: {role.share:.2f} of its attention (control: {max(controls):.2f})"
