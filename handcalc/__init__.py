"""The pocket calculator: the GPT's formulas as scalar arithmetic in decimal numbers, for people to follow.

The commands are ``trace``, ``verify``, ``exercise`` and ``averaging``. Behind them, each room uses only earlier ones:
``arithmetic`` has the tree that is behind every number; ``formulas`` says, for each cell of each named activation,
gradient and weight, its expression; ``tracing`` plans a calculation and works it out; ``page`` writes it down;
``verification``, ``exercises`` and ``averages`` serve one command each. Nothing here computes with arrays, and nothing
here imports torch.
"""
