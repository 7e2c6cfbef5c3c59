"""The library door of both twins: a trained model, and what it returns, as objects for programs and notebooks.

Nothing is computed here: an object calls the engine, the checkpoint or the command that does it. ``repr`` is always one
line, and a notebook shows tables.
"""
