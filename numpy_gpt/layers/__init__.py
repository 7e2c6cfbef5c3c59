"""The layers of a GPT, one per file: ``x_forward``, and directly below it ``x_backward``, which undoes it in reverse.

Pure functions over NumPy arrays: ``x_forward(inputs…, parameters…)`` returns ``(out, cache)`` and ``x_backward(dout,
cache)`` the gradients in forward's argument order. A cache contains what backward needs and nothing else. There are two
exceptions: the loss has no ``dout``, and a block returns its gradients by name. Read a layer with docs/derivations.md
open: numbers such as (8.14) are its equations. Everything done for speed is in ``numpy_gpt.kernels``.

Axis letters: B batch, T query time, S key time, C channels, H heads, D = C/H, F hidden, V vocabulary; ``…`` is any
number of leading axes. ``dx`` is ∂loss/∂x and has x's shape. All layers except attention and the embedding treat
every position alike.
"""
