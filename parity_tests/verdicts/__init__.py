"""The rows of docs/verdicts.md: every extreme input and wrong argument, one module a group.

``evaluation`` says what a case is and turns it into text, ``implementations`` is the one adapter to the three ways of
computing, ``builders`` make most cases, ``reasons`` explain differences. Random, large or statistical inputs are tested
elsewhere: a case here is one input with one verdict that is the same on every machine.
"""
