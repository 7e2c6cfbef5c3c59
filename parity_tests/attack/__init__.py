"""Attacks on every command: random command lines, and damaged files of every kind that a program reads.

``python -m parity_tests.attack`` runs them. Whatever comes in, a command must end as documented: with its result, or
with one line that says what is wrong; ``invariants.py`` states all that must hold. What belongs here: how attacks are
drawn, run and judged. A fault that is found gets its own test, at the path of the code that had it.
"""
