"""The formulas of the model, cell by cell: one part of the model a file, forward and below it backward.

A file here says what each cell *is*; it contains no numbers and evaluates nothing. The backward formulas are derived by
hand and, unlike numpy_gpt's, one named activation at a time: each is the derivative of one forward step, over numbers
that are already on the page. So agreement with numpy_gpt's fused formulas is agreement with a different computation.
"""
