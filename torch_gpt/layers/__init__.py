"""The layers of a GPT in PyTorch, one per file, each twice: written out, and below it with torch's fused operations.

``x_forward(inputs…, parameters…, record)`` is the equation in elementary operations; it records every named
activation, and autograd computes its gradient: there is no backward. ``x_fused`` takes the same arguments and returns
the same, up to rounding, with a fused operation of torch, inside which nothing can be recorded. Numbers in parentheses
such as (8.5) are the equations of docs/derivations.md.

No function here changes a tensor in place. Axis letters: B batch, T query time, S key time, C channels, H heads,
D = C/H, F hidden, V vocabulary; ``…`` is any number of leading axes.
"""
