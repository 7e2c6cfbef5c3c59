"""Formula 8, for whole blocks and models: how far the rounding errors of all nodes together can move a result.

Bounds that are propagated from layer to layer multiply up: after two blocks they allow anything. To first order the
error of a scalar s is Σ ∂s/∂node·δ(node), over the forward and the explicit backward pass, with |δ| ≤ local(node); so

    worst case   Σ|∂s/∂node|·local(node)             with γ_k·magnitude for k roundings
    statistical  √Σ(∂s/∂node·local(node))²           with √k·u·magnitude, for roundings that are independent

(Higham 2002, §3.3 for running errors; Higham & Mary 2019 for √k; the adjoint form is Linnainmaa's, 1976). ``Scalars``
has both, exactly. ``deviations`` estimates the statistical form for every entry of every array at once: it moves each
node by a normal random number of its local error's size and looks at the result's deviation (Parker's Monte Carlo
arithmetic, 1997), a few evaluations instead of one for each entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from numpy_gpt.tolerances.rounding import Float64, rounding
from parity_tests.tolerances.tape import Tape

Computation = Callable[[Tape], Mapping[str, Any]]
"""Runs a statement on a tape and returns its arrays by name."""

STATISTICAL_FACTOR = 4
"""Tests allow 4 × the statistical form: 1,349 scalars in two implementations never exceeded that."""

SAMPLES = 16
_NOISE_UNIT = 2.0**-33  # above float64's own rounding, far below float32's: first order, and the same for both dtypes


class Scalars:
    """The bounds of any scalar ⟨cotangent, array⟩ of one computation."""

    def __init__(self, computation: Computation) -> None:
        self._tape = Tape()
        self.arrays = dict(computation(self._tape))

    def value(self, name: str, cotangent: NDArray[Any]) -> float:
        """Return ⟨cotangent, array⟩ in float64."""
        return float((self.arrays[name] * torch.from_numpy(cotangent)).sum().detach())

    def bounds(self, name: str, cotangent: NDArray[Any], dtype: DTypeLike) -> tuple[float, float]:
        """Return the worst-case bound and the statistical form (not yet × 4) of ⟨cotangent, array⟩ in ``dtype``.

        The scalar must be summed in float64: the bounds do not include the rounding error of that last sum.
        """
        if not self.arrays[name].requires_grad:
            return 0.0, 0.0
        nodes = self._tape.nodes
        scalar = (self.arrays[name] * torch.from_numpy(cotangent)).sum()
        slopes = torch.autograd.grad(scalar, [node.value for node in nodes], retain_graph=True, allow_unused=True)
        worst, squares = 0.0, 0.0
        for slope, node in zip(slopes, nodes, strict=True):
            if slope is not None:
                worst += float((slope.abs() * node.worst).sum())
                squares += float((slope * node.statistical).square().sum())
        unit = rounding(dtype).unit
        return worst * unit, squares**0.5 * unit


def deviations(computation: Computation, seed: int = 0, samples: int = SAMPLES) -> dict[str, Float64]:
    """Return the statistical form for every entry of every array, in units of u, estimated from ``samples`` runs.

    All runs are computed at once, by torch's vmap: the arrays are small, and each operation costs a call.
    """

    def moved(_: Tensor) -> dict[str, Tensor]:
        return dict(computation(Tape(_NOISE_UNIT)))

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        truth = computation(Tape(0.0))
        torch.manual_seed(seed)
        runs = torch.func.vmap(moved, randomness="different")(torch.empty(samples))
        return {name: _root_mean_square(runs[name] - value, value) / _NOISE_UNIT for name, value in truth.items()}


def _root_mean_square(differences: Tensor, truth: Tensor) -> Float64:
    differences = torch.where(torch.isfinite(truth), differences, 0.0).abs()
    largest = differences.amax(0)  # taken out first: squares of tiny numbers would underflow to 0
    scale = torch.where(largest > 0, largest, 1.0)
    found: Float64 = (scale * (differences / scale).square().mean(0).sqrt()).numpy()
    return found


def between_two_statistical(deviation: Float64, dtype: DTypeLike) -> Float64:
    """Return how far two implementations may be apart where their statistical form is ``deviation``·u.

    Twice 4 × the form. A number that underflows is lost completely: the smallest normal number, with room for its
    factors.
    """
    model = rounding(dtype)
    return 2 * STATISTICAL_FACTOR * deviation * model.unit + 1e6 * model.underflow
