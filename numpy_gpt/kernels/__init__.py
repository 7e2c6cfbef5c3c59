"""Every trick that is there for speed, behind plain names: the layers read as the equations and call these.

A kernel computes what its name says, to rounding; its docstring says why it is written as it is and what that gains.
As in PyTorch, a name that ends in an underscore writes its result over its first argument, and returns it.

Axis letters: W is the width of a row, the last axis; ``…`` is any number of leading axes, so that (…, W) holds N rows.
What there is one of for each row is (…).
"""
