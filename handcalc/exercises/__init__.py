"""The exercises: one module for each part of the model, one function for each question.

An exercise is data: the question, its numbers, and the expressions of the correct solution and of typical mistakes.
``source`` has the numbers, from a real trace; ``topics`` lists the questions; ``exercise_page`` writes them;
``answer`` judges an answer. ``handcalc.exercise`` is the command line.
"""
