"""The layers of a GPT, one a file: ``x_forward``, and directly below it ``x_backward``, which undoes it in reverse.

Pure functions over NumPy arrays: ``x_forward(inputs…, parameters…)`` returns ``(out, cache)`` and
``x_backward(dout, cache)`` the gradients in forward's argument order. A cache holds what backward needs and no
more. Three are otherwise: the loss has no ``dout``, a block's gradients go by name, and attention with kept keys and
values is never trained through. ``rows`` and ``erf`` are what the layers calculate with. Numbers in parentheses such
as (8.14) are the equations of docs/derivations.md.

Axis letters: B batch, T query time, S key time, C channels, H heads, D = C/H, F hidden, V vocabulary; ``…`` is any
number of leading axes. ``dx`` is ∂loss/∂x and has x's shape. All but attention and the position embedding treat every
position alike: what leads is flattened to the N rows of a matrix when a layer begins (``rows.as_rows``), and is there
again when it ends. ``np.add.reduce(x)`` is ``x.sum()`` without what Python does around it, and so quicker.
"""
