"""The pocket calculator: the GPT's formulas as scalar arithmetic in decimal numbers, for people to follow.

``expression`` is the tree that every number is the value of. ``forward``, ``backward`` and ``update`` say, for each
cell of each named activation, gradient and weight, its expression. Everything else reads those trees: ``calculator``
evaluates, ``arithmetic`` writes them out, ``page`` puts the numbers in order, ``text``, ``markdown`` and
``json_format`` write it down, ``trace`` is the command line. Nothing here computes with arrays, and nothing here knows
torch.
"""
