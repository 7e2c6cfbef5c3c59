"""Every trick for speed, behind plain names, so that the layers that call them read like the equations.

A kernel computes what its name says, up to rounding; its docstring says why it is written that way and what that gains.
As in PyTorch, a function whose name ends in an underscore overwrites its first argument with the result and returns it.

*Gain* is a kernel's time divided by that of the plain NumPy expression: in float32, at the size of ``tiny`` (128 rows
of 6), then at that of ``shakespeare-cpu`` (768 rows of 128), on one thread of an Intel Xeon with AVX-512, NumPy 2.4.6.

Axis letters: W is the width of a row, the last axis; ``…`` is any number of leading axes, so (…, W) has N rows.
An array with one number per row is (…).
"""
