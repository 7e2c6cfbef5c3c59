"""Arithmetic expressions: evaluating, bounding, writing and reading them."""
