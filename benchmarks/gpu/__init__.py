"""Measurements on a GPU, for ``benchmarks.cuda`` and ``benchmarks.recipe_search``."""
