"""What proves the computed tolerances of numpy_gpt.tolerances, and what extends them to whole models.

``statement`` states the composition of the layers once; it runs over the worst-case bounds (``numpy_gpt.tolerances``)
and over the tape of ``sensitivity``. ``formulas`` compares each formula with 60-digit truth.
"""
