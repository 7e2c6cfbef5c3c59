"""Replay: a computation is written down once, call by call, and then only its calls are made.

``recording.py`` writes down, with ``noting.py`` and ``functions.py``, what ``calls.py`` describes; ``tape.py`` makes
the calls again, after ``rewriting.py`` has simplified them and ``memory.py`` has planned where their results lie; and
``replayed.py`` decides when a function is computed plainly and when it is replayed. Nothing here knows what a GPT is.
docs/replay.md explains how it works, and what breaks it.
"""
