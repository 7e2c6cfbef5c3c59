"""Corpora, tokenizers, token files and batches; NumPy only, and it knows nothing of any model."""
