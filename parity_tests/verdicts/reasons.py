"""Why implementations differ: each difference in the tables names one of these reasons."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """A reason under a heading; ``deliberate`` differences stay, the others are to be removed.

    ``fused_only`` excuses torch's fused operations alone: numpy_gpt and torch_gpt's explicit path must agree.
    """

    title: str
    text: str
    deliberate: bool = True
    fused_only: bool = False


REASONS = {
    "fused-norm-rounding": Reason(
        "Fused layer norm rounds before it cancels",
        "torch's `layer_norm` computes x·rstd − mean·rstd, and each product is rounded at its own size; written out, "
        "the mean is subtracted first and a constant row gives exactly 0. The fused digits depend on the machine, so "
        "the table only says by how much they may be off. It stays: this is what real training on torch computes.",
        fused_only=True,
    ),
    "variance-overflow": Reason(
        "Squares in layer norm overflow",
        "Written out, a variance of inf gives rstd = 1/√inf = 0: `out` is the bias and `dx` is 0, finite and wrong. "
        "torch's `layer_norm` updates its variance entry by entry and arrives at inf·0 = NaN, even for the constant "
        "row 1e20, whose variance is 0. It stays: the explicit paths follow equations (4.1) to (4.6) exactly, and no "
        "model that can be trained has activations of 1e19 in float32.",
        fused_only=True,
    ),
    "fused-gelu-of-inf": Reason(
        "Fused erf GELU of +inf",
        "torch's vectorized erf may return NaN for +inf; whether it does depends on the machine and on the length of "
        "the array, so the table says inf or NaN. It stays: infinite activations are useless in any case.",
        fused_only=True,
    ),
    "fused-huge-scores": Reason(
        "Fused attention's gradient at huge scores",
        "Instead of the weights, torch's fused attention keeps the logarithm of their sum plus the maximum, and "
        "computes the weights again in backward. For scores above about 1e7 in float32 (1e16 in float64), the "
        "logarithm is rounded away: equal weights come back as 1 each. Outputs agree, gradients do not. It stays: "
        "torch offers no other fused attention on the CPU.",
        fused_only=True,
    ),
    "norm-in-float32": Reason(
        "The fused norm is summed in the gradient's own dtype",
        "In float32, squares of gradients above 1.8e19 overflow and those below 1e-23 underflow. Written out, they are "
        "summed in float64. It stays: the fused path trades range for speed, and neither path takes a training step "
        "with norm inf.",
        fused_only=True,
    ),
    "unchecked-layers": Reason(
        "Layers trust their caller",
        "Ids and shapes are checked once, at the entry to the whole model. After that, NumPy's and torch's indexing "
        "count a negative id from the end, and torch's fused embedding refuses it; written out, any negative target "
        "does not count, and to torch's fused loss only −100. It stays: the docstrings say so, and on a GPU each check "
        "would wait for the device.",
    ),
}
