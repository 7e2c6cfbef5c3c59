"""Corpora, tokenizers, token files and batches, using NumPy only and nothing from any model."""
