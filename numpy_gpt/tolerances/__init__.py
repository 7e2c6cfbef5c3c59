"""Tolerances that are computed from shapes, dtype and data, never guessed (Higham 2002, chapters 2 to 4).

Every function here takes and returns ``Bounded`` values: the float64 value of an array, and how far one correct
implementation in another dtype may be from it. Errors of the inputs are propagated, so that composing the layers gives
the bound of a whole block. ``worst_case`` has all of them in one namespace; ``sampled`` has the same operations with
random rounding errors of the same size, whose spread is the sharper tolerance of a long computation.

The bounds hold for one implementation. Two that are compared with each other may differ by twice as much: that is all
that ``between_two`` does.
"""

from numpy_gpt.tolerances.rounding import Bounded, Rounding, between_two, exact, rounding

__all__ = ["Bounded", "Rounding", "between_two", "exact", "rounding"]
