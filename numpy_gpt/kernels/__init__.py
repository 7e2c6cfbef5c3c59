"""Every trick for speed, behind plain names, so that the layers that call them read like the equations.

A kernel computes what its name says, up to rounding; its docstring says why it is written that way and what that gains.
As in PyTorch, a function whose name ends in an underscore overwrites its first argument with the result and returns it.

Axis letters: W is the width of a row, the last axis; ``…`` is any number of leading axes, so (…, W) has N rows.
An array with one number per row is (…).
"""
