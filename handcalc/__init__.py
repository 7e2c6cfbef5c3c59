"""The pocket calculator: the GPT's formulas as scalar arithmetic in decimal numbers, for people to follow.

``expression`` is the tree that every number is the value of. ``forward`` says, for each cell of each named activation,
its expression. Everything else reads those trees: ``calculator`` evaluates, ``arithmetic`` writes them out, ``text``
and ``json_format`` lay the page out, ``trace`` is the command line. Nothing here computes with arrays, and nothing
here knows torch.
"""
