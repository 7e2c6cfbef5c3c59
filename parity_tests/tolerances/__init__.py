"""Tolerances that are computed from shapes, dtype and data, never guessed (Higham 2002, chapters 2 to 4).

Every function here takes and returns ``Bounded`` values: the float64 value of an array, and next to it how far one
correct implementation in another dtype may be from it. Inputs with an error of their own are propagated, so that a
bound for a whole block is what comes out of the composition of its layers. ``statement`` writes that composition down
once; it runs over the worst-case bounds here (``worst_case``) and over the tape of ``sensitivity``.

The bounds hold for one implementation. Two that are compared with each other may differ by twice as much: that, and
nothing else, is what ``between_two`` says.
"""

from parity_tests.tolerances.rounding import Bounded, Rounding, between_two, exact, rounding

__all__ = ["Bounded", "Rounding", "between_two", "exact", "rounding"]
