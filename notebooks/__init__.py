"""Notebooks that tell how a GPT works, with their outputs, and ``run``, which makes the outputs again.

Nothing is implemented here: a notebook calls the packages.
"""
