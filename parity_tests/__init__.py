"""The proof that the computations agree: tests, their tolerances, and the machinery that both stand on.

Subfolders mirror the paths that they test; README.md says where a new test goes.
"""
