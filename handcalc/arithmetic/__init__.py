"""Arithmetic as expressions: how to calculate one, bound its error, write it and read it."""
