"""The exercises: one module for each part of the model, each of its functions a question.

An exercise is data: the question, its numbers, the expressions of the right way and of typical mistakes. ``source`` has
the numbers, from a real trace; ``topics`` lists the questions; ``page`` writes them down; ``answer`` judges what
somebody answers. ``handcalc.exercise`` is the command line.
"""
