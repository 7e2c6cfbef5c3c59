"""The pocket calculator: the models' formulas as scalar arithmetic in decimal numbers, for people to follow.

The commands are ``trace``, ``verify``, ``exercise`` and ``averaging``. The packages behind them use only earlier ones
in this list: ``arithmetic`` has the expression tree behind every number; ``formulas`` gives the expression of each cell
of each named activation, gradient and weight; ``tracing`` plans a calculation and works it out; ``page`` writes the
result; ``verification``, ``exercises`` and ``averages`` serve one command each, and ``library`` offers a trace as an
object. Nothing here computes with arrays or
imports torch.
"""
