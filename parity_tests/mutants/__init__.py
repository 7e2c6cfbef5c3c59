"""Mutants of numpy_gpt, each of which the tests must notice: python -m parity_tests.mutants."""
