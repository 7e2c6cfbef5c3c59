"""Attention as a reader sees it: maps of a text, what heads look at, how it grows in training, and what it is for.

Everything here asks an engine for its predictions and what was recorded of them; nothing here computes the model.
"""
