"""Tokenizers, token files and batches."""
