"""Expressions, and what can be done with one: calculate it, bound its error, write it, read it."""
