"""The exercises: questions with their numbers, and worksheets of them.

An exercise is data: the question, its numbers, and the expressions of the correct solution and of typical mistakes.
``questions`` has one module for each part of the model, and ``topics`` lists them. The numbers are from a real trace
(``source``, of ``texts`` that the model knows) or made up (``easy``). ``exercise_page`` and ``sheet_html`` write the
exercises, ``asking`` reads an answer and ``answer`` judges it. ``handcalc.exercise`` is the command line.
"""
